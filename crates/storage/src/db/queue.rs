//! A bounded queue between tasks, which wait for room without blocking their
//! thread, and database threads, which wait for work.

use std::{collections::VecDeque, time::Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Semaphore;

use super::Error;

pub(super) struct Queue<T> {
    room: Semaphore,
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    jobs: VecDeque<T>,
    closed: bool,
    /// Threads that wait until a deadline, and then look by themselves.
    dozing: usize,
}

pub(super) enum Popped<T> {
    Job(T),
    TimedOut,
    /// The queue is closed and nothing is left in it.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(jobs_max: usize) -> Self {
        let state = State { jobs: VecDeque::new(), closed: false, dozing: 0 };
        Self { room: Semaphore::new(jobs_max.max(1)), state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// Waits for room, then queues. Cancelled while waiting, it queues nothing.
    pub(super) async fn push(&self, job: T) -> Result<(), Error> {
        self.put(job).await?;
        self.arrived.notify_one();
        Ok(())
    }

    /// The same for a job that has time: a thread that waits until a deadline
    /// is not woken before it.
    pub(super) async fn push_unhurried(&self, job: T) -> Result<(), Error> {
        if self.put(job).await? == 0 {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Returns how many threads wait until a deadline.
    async fn put(&self, job: T) -> Result<usize, Error> {
        self.room.acquire().await.map_err(|_| Error::Unavailable)?.forget();
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Unavailable);
        }
        state.jobs.push_back(job);
        Ok(state.dozing)
    }

    /// Blocks until a job, the deadline if there is one, or the end.
    pub(super) fn pop(&self, deadline: Option<Instant>) -> Popped<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                self.room.add_permits(1);
                return Popped::Job(job);
            }
            if state.closed {
                return Popped::Closed;
            }
            match deadline {
                None => self.arrived.wait(&mut state),
                Some(deadline) => {
                    state.dozing = state.dozing.saturating_add(1);
                    let timed_out = self.arrived.wait_until(&mut state, deadline).timed_out();
                    state.dozing = state.dozing.saturating_sub(1);
                    if timed_out {
                        return state.jobs.pop_front().map_or(Popped::TimedOut, |job| {
                            self.room.add_permits(1);
                            Popped::Job(job)
                        });
                    }
                }
            }
        }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// Refuses new jobs; those that are queued can still be popped.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.room.close();
        self.arrived.notify_all();
    }
}

/// Held by a thread that pops. If the thread dies, nobody may wait for it.
pub(super) struct Consumer<T>(pub(super) std::sync::Arc<Queue<T>>);

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
            let orphans = std::mem::take(&mut self.0.state.lock().jobs);
            drop(orphans);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Poll};

    use super::*;

    /// Polls once.
    async fn now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        std::future::poll_fn(|context| {
            Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn a_full_queue_makes_whoever_pushes_wait_for_room() {
        let queue = Queue::new(2);
        queue.push(1).await.unwrap();
        queue.push(2).await.unwrap();
        let mut third = Box::pin(queue.push(3));
        assert_eq!(now(&mut third).await, None);
        assert!(matches!(queue.pop(None), Popped::Job(1)));
        assert_eq!(now(&mut third).await, Some(Ok(())));
        assert!(matches!(queue.pop(None), Popped::Job(2)));
        assert!(matches!(queue.pop(None), Popped::Job(3)));
        assert!(matches!(queue.pop(Some(Instant::now())), Popped::TimedOut));
    }

    #[tokio::test]
    async fn a_job_that_has_time_is_found_at_the_deadline() {
        let queue = Arc::new(Queue::new(8));
        let popping = {
            let queue = Arc::clone(&queue);
            let deadline = Instant::now() + std::time::Duration::from_millis(200);
            std::thread::spawn(move || {
                (matches!(queue.pop(Some(deadline)), Popped::Job(7)), Instant::now() >= deadline)
            })
        };
        while queue.state.lock().dozing == 0 {
            std::thread::yield_now();
        }
        queue.push_unhurried(7).await.unwrap();
        assert_eq!(popping.join().unwrap(), (true, true));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
        let queue = Queue::new(1);
        queue.push(1).await.unwrap();
        let mut second = Box::pin(queue.push(2));
        assert_eq!(now(&mut second).await, None);
        queue.close();
        assert_eq!(now(&mut second).await, Some(Err(Error::Unavailable)));
        assert!(matches!(queue.pop(None), Popped::Job(1)));
        assert!(matches!(queue.pop(None), Popped::Closed));
    }

    #[tokio::test]
    async fn a_dead_thread_leaves_nobody_waiting() {
        let queue = Arc::new(Queue::new(8));
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        queue.push(answer).await.unwrap();
        let consumer = Consumer(Arc::clone(&queue));
        let thread = std::thread::spawn(move || {
            let _consumer = consumer;
            panic!("a bug");
        });
        assert!(thread.join().is_err());
        answered.await.unwrap_err();
        let (late, _) = tokio::sync::oneshot::channel();
        assert_eq!(queue.push(late).await, Err(Error::Unavailable));
    }
}
