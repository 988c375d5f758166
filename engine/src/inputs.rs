//! What a shard hears from its readers, and the writer from its shards: channels whose barriers are aligned. Whoever has put its
//! barrier is not listened to until all others have put theirs.

use crate::message::Message;
use crossbeam_channel::{Receiver, Select};

pub struct Inputs<T, B> {
    pub channels: Vec<Receiver<Message<T, B>>>,
    /// What each has said at its barrier, until all have put theirs.
    said: Vec<Option<B>>,
}

impl<T, B> Inputs<T, B> {
    pub fn new(channels: Vec<Receiver<Message<T, B>>>) -> Inputs<T, B> {
        let said = channels.iter().map(|_| None).collect();
        Inputs { channels, said }
    }

    /// The next message and who sent it; `None`: somebody who should go on is gone.
    pub fn receive(&self) -> Option<(usize, Message<T, B>)> {
        if let [only] = &self.channels[..] {
            return only.recv().ok().map(|message| (0, message));
        }
        let open: Vec<usize> = (0..self.channels.len()).filter(|from| self.said[*from].is_none()).collect();
        let mut select = Select::new();
        for from in &open {
            select.recv(&self.channels[*from]);
        }
        let chosen = select.select();
        let from = open[chosen.index()];
        chosen.recv(&self.channels[from]).ok().map(|message| (from, message))
    }

    /// Those who are listened to and have sent something.
    pub fn ready(&self) -> Vec<usize> {
        let is_ready = |from: &usize| self.said[*from].is_none() && !self.channels[*from].is_empty();
        (0..self.channels.len()).filter(is_ready).collect()
    }

    /// A message of this one, if there is one; waits for nothing.
    pub fn take(&self, from: usize) -> Option<Message<T, B>> {
        self.channels[from].try_recv().ok()
    }

    /// This one has put the barrier: what all have said at it, by channel, if it is the last.
    pub fn put(&mut self, from: usize, said: B) -> Option<Vec<B>> {
        self.said[from] = Some(said);
        let is_aligned = self.said.iter().all(Option::is_some);
        is_aligned.then(|| self.said.iter_mut().filter_map(Option::take).collect())
    }
}
