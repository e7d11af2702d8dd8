//! Whole bodies, and the room that they take: what all requests hold together is bounded, and who finds none is told to come again.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::Problem;
use super::body::Incoming;
use super::{App, ROOM_UNIT};

/// Room that grows with what has come.
pub struct Room<'r> {
    app: &'r Arc<App>,
    permit: Option<OwnedSemaphorePermit>,
    units: u32,
}

impl<'r> Room<'r> {
    /// No room yet.
    pub fn new(app: &'r Arc<App>) -> Room<'r> {
        Room { app, permit: None, units: 0 }
    }

    fn units(bytes: usize) -> u32 {
        u32::try_from((bytes as u64).div_ceil(ROOM_UNIT).max(1)).unwrap_or(u32::MAX)
    }

    /// Room for so many bytes, or none.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let wanted = Room::units(bytes);
        if wanted <= self.units {
            return Ok(());
        }
        let more = Arc::clone(&self.app.room).try_acquire_many_owned(wanted - self.units);
        let more = more.map_err(|_| Problem::busy("requests under way take all the room there is"))?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        self.units = wanted;
        Ok(())
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.permit.is_none()
    }

    /// Hands the room over, to whom holds it until the answer.
    pub fn take(&mut self) -> Option<OwnedSemaphorePermit> {
        self.units = 0;
        self.permit.take()
    }

    /// Room for the next piece of a streamed body: waits for it.
    pub async fn wait(&mut self, bytes: usize) -> Result<(), Problem> {
        let units = Room::units(bytes);
        let permit = Arc::clone(&self.app.room).acquire_many_owned(units).await.map_err(|_| Problem::stopped())?;
        (self.permit, self.units) = (Some(permit), units);
        Ok(())
    }
}

/// The whole body of a request that changes or asks for something, within the limits of events.
pub async fn document(app: &Arc<App>, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let mut body = Incoming::new(headers, body, app.settings.server.body_idle_timeout)?;
    match whole(app, &mut body).await {
        Ok((text, _)) => Ok(text),
        Err(problem) => {
            body.linger().await;
            Err(problem)
        }
    }
}

/// A whole body, and the room that it takes.
pub async fn whole<'r>(app: &'r Arc<App>, body: &mut Incoming) -> Result<(Vec<u8>, Room<'r>), Problem> {
    let bytes_max = usize::try_from(app.settings.ingest.body_bytes_max).unwrap_or(usize::MAX);
    let (mut text, mut room) = (Vec::new(), Room::new(app));
    room.grow(1)?;
    loop {
        let more = body.read(&mut text).await?;
        if text.len() > bytes_max {
            let detail =
                format!("the body is longer than {bytes_max} bytes; send several, or NDJSON, which may be endless");
            return Err(Problem::new(413, "body_too_large", detail));
        }
        room.grow(text.len())?;
        if !more {
            return Ok((text, room));
        }
    }
}
