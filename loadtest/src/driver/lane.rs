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

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::driver::record::Window;
    use crate::driver::{Form, Pace, Pool, Recipe, Server};

    const ANSWER: &str = r#"{"received":1,"accepted":1,"duplicate":0,"conflict":0,"rejected":0}"#;

    /// A server in memory that takes so many milliseconds for each request.
    struct Slow(Vec<u64>);

    impl Connect for Slow {
        type Stream = DuplexStream;

        async fn connect(&self) -> io::Result<DuplexStream> {
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            let pauses = self.0.clone();
            tokio::spawn(async move {
                for pause in pauses {
                    // A request is one write, and fits.
                    let mut request = [0; 1 << 12];
                    assert!(theirs.read(&mut request).await.unwrap() > 0);
                    sleep(Duration::from_millis(pause)).await;
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
                    theirs.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Ok(ours)
        }
    }

    /// Latencies and service times in steps of 10 ms, of one connection over a second.
    async fn recorded(pace: Pace, pauses: Vec<u64>) -> [Vec<u64>; 2] {
        let recipe = Recipe { seed: 1, form: Form::Single, events_per_body: 1, pool_events: 100 };
        let mut pool = Pool::new(recipe).unwrap();
        let mut rounds = pool.nothing_sent();
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let pacer = Pacer::new(pace, 1, start, end);
        let recorder = RefCell::new(Recorder::new(Window { start, end }));
        let server = Server::parse("http://127.0.0.1:1", None).unwrap();
        let client = Client::over(Slow(pauses), &server, Form::Single);
        let lane = Lane { bodies: &mut pool.bodies, rounds: &mut rounds.0, events_per_body: 1 };
        let release = async {
            let mut released = 0;
            while let Some(wait) = pacer.release(&mut released) {
                sleep(wait).await;
            }
        };
        tokio::join!(lane.run(client, &pacer, Duration::from_secs(5), &recorder), release);
        let recorder = recorder.into_inner();
        assert_eq!(recorder.counts.undelivered, Vec::<String>::new());
        [recorder.latency, recorder.service].map(|histogram| {
            let steps = histogram.iter_recorded();
            // The clock stands still while anybody works, but its timer has steps of a millisecond.
            steps
                .flat_map(|step| {
                    vec![(step.value_iterated_to() + 5_000) / 10_000; step.count_at_value().try_into().unwrap()]
                })
                .collect()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_counts_from_when_bodies_were_meant_to_be_sent() {
        let mut pauses = vec![10; 10];
        pauses[2] = 350;
        let [latency, service] = recorded(Pace::Open { events_per_s: 10 }, pauses).await;
        // The body of 200 ms is answered at 550; those of 300, 400 and 500 wait for it and are answered at 560, 570 and 580.
        assert_eq!(latency, [1, 1, 1, 1, 1, 1, 8, 17, 26, 35]);
        assert_eq!(service, [1, 1, 1, 1, 1, 1, 1, 1, 1, 35]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_loop_waits_for_the_server() {
        let [latency, service] = recorded(Pace::Closed, vec![100, 300, 100, 400, 200]).await;
        assert_eq!(latency, [10, 10, 20, 30, 40]);
        assert_eq!(service, latency);
    }
}
