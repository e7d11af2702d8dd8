//! One connection's work: its own share of the bodies, one after the other, each in its next round.

use std::cell::RefCell;
use std::time::Duration;

use super::client::Client;
use super::form::Body;
use super::pace::Pacer;
use super::record::Recorder;
use super::server::Connect;

/// A connection's bodies and the rounds of them that were acknowledged. Nobody else has them: a body that is under way is never
/// written to.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) bodies: &'a mut [Body],
    pub(super) rounds: &'a mut [u64],
    pub(super) events_per_body: u64,
}

impl Lane<'_> {
    /// Sends bodies as long as there are times to send them. A body that cannot be delivered ends it, and the whole run.
    pub(super) async fn run<C: Connect>(
        self,
        mut client: Client<C>,
        pacer: &Pacer,
        give_up_after: Duration,
        recorder: &RefCell<Recorder>,
    ) {
        let mut at = 0;
        while let Some(intended) = pacer.next().await {
            let body = self.bodies[at].in_round(self.rounds[at]);
            match client.deliver(body, give_up_after).await {
                Ok(delivered) => {
                    self.rounds[at] += 1;
                    recorder.borrow_mut().delivered(self.events_per_body, intended, delivered);
                }
                Err(undelivered) => {
                    pacer.stop();
                    recorder.borrow_mut().counts.add_undelivered(&undelivered);
                    return;
                }
            }
            at = (at + 1) % self.bodies.len();
        }
    }
}
