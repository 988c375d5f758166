//! Open sessions: stretches of a key's frames with no silence longer than the gap. A frame that comes late may make
//! one of two: what was told of the second is then taken back.

use super::cells::{Cells, Layouts};
use super::group::{Group, History, Sums};
use super::key::Numbered;
use super::open::{ALL, Span};

/// A stretch of frames of one key.
#[derive(Debug)]
struct Session {
    /// Times of the first and the last frame.
    start: i64,
    last: i64,
    /// From here on it is known to have had no other session before it that has been let go: what comes late may begin
    /// it earlier.
    from: i64,
    history: History,
    sums: Sums,
}

/// The open sessions of a lane, or of all lanes of a part.
#[derive(Debug)]
pub struct Sessions {
    gap_us: i64,
    /// By key, in order of time. No two of a key are as near as the gap.
    by_key: Numbered<Vec<Session>>,
    /// Results so far.
    results: u32,
}

impl Sessions {
    pub fn new(gap_us: i64) -> Sessions {
        Sessions { gap_us, by_key: Numbered::default(), results: 0 }
    }

    /// The cells of the session that holds the frames of a span, to be changed; and its end. Of sessions that ended
    /// before `ended` less the gap some may have been let go.
    pub fn cells(&mut self, span: Span, key: u32, ended: i64, layouts: &Layouts) -> (Cells<'_>, i64) {
        let (gap_us, result) = (self.gap_us, self.results + 1);
        let Span { start, last, .. } = span;
        let of_key = self.by_key.entry(key).or_default();
        let from = of_key.partition_point(|session| session.last.saturating_add(gap_us) < start);
        let to = of_key.partition_point(|session| session.start <= last.saturating_add(gap_us));
        if from >= to {
            let history = History { changed: result, ..History::default() };
            let reach = ended.saturating_sub(gap_us).saturating_add(1);
            of_key.insert(from, Session { start, last, from: reach, history, sums: Sums::empty(layouts) });
        }
        // The frames bridge what stands between: it is one session from here on.
        let swallowed: Vec<Session> = of_key.drain(from + 1..to.max(from + 1)).collect();
        let session = &mut of_key[from];
        for other in swallowed {
            session.last = session.last.max(other.last);
            session.history.told = session.history.told.max(other.history.told);
            session.history.starts.extend(other.history.starts);
            session.sums.merge(layouts, &other.sums.words, &other.sums.sides);
        }
        session.start = session.start.min(start);
        session.last = session.last.max(last);
        session.history.changed = result;
        (session.sums.cells(), session.last.saturating_add(gap_us))
    }

    /// What the session keeps that holds a time.
    pub fn holding(&mut self, time: i64, key: u32) -> Option<Cells<'_>> {
        let of_key = self.by_key.get_mut(&key)?;
        let at = of_key.partition_point(|session| session.last < time);
        of_key.get_mut(at).filter(|session| session.start <= time).map(|session| session.sums.cells())
    }

    /// The open session that takes a frame which is too late for one of its own: one that it lies in, or that it begins
    /// earlier where no other can have been. A session is open that ends after `ended`.
    pub fn taking(&self, time: i64, key: u32, ended: i64) -> Option<Span> {
        let of_key = self.by_key.get(&key)?;
        let at = of_key.partition_point(|session| session.last < time);
        let session = of_key.get(at)?;
        let is_near =
            session.start <= time || session.start <= time.saturating_add(self.gap_us) && session.from <= time;
        let end = session.last.saturating_add(self.gap_us);
        (is_near && end > ended).then_some(Span { start: session.start, last: session.last, end, from: ALL })
    }

    /// Tells of every session that has ended and has changed, and lets go of those that no frame can reach any more.
    /// With the watermark `i64::MAX` all that is open is told, and nothing let go. Gives the watermark at which
    /// something is to be done next.
    pub fn fire(&mut self, watermark: i64, lateness_us: i64, mut tell: impl FnMut(Group)) -> i64 {
        self.results += 1;
        let (result, gap_us) = (self.results, self.gap_us);
        let mut ended: Vec<(i64, u32)> = Vec::new();
        for (key, of_key) in &self.by_key {
            let due = of_key.iter().filter(|s| s.last.saturating_add(gap_us) <= watermark && s.history.is_dirty());
            ended.extend(due.map(|session| (session.start, *key)));
        }
        ended.sort_unstable();
        for (start, key) in ended {
            let of_key = self.by_key.get_mut(&key).into_iter().flatten();
            for session in of_key.filter(|session| session.start == start) {
                session.tell(key, gap_us, result, &mut tell);
            }
        }
        let mut due = i64::MAX;
        // A frame that is not too late is later than the watermark less gap and lateness, and reaches as far as the gap.
        let gone_at =
            |session: &Session| session.last.saturating_add(gap_us).saturating_add(gap_us).saturating_add(lateness_us);
        for of_key in self.by_key.values_mut() {
            let gone = of_key.partition_point(|session| watermark != i64::MAX && gone_at(session) <= watermark);
            let before = of_key.drain(..gone).next_back().map_or(i64::MIN, |gone| gone.last.saturating_add(gap_us));
            if let Some(first) = of_key.first_mut() {
                first.from = first.from.max(before.saturating_add(1));
            }
            for session in of_key.iter() {
                let end = session.last.saturating_add(gap_us);
                due = due.min(if end > watermark { end } else { gone_at(session) });
            }
        }
        self.by_key.retain(|_, of_key| !of_key.is_empty());
        due
    }

    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.by_key.iter().flat_map(|(key, of_key)| of_key.iter().map(|session| session.group(*key, self.gap_us)))
    }

    /// Puts a restored group where it was.
    pub fn put_back(&mut self, group: Group) {
        let sums = Sums { words: group.words.to_vec(), sides: group.sides.to_vec() };
        let (start, last, from) = (group.start, group.end.saturating_sub(self.gap_us), group.from);
        let of_key = self.by_key.entry(group.key).or_default();
        let at = of_key.partition_point(|session| session.start < start);
        of_key.insert(at, Session { start, last, from, history: group.history.clone(), sums });
        self.results = self.results.max(group.history.told).max(group.history.changed);
    }

    /// Marks the keys that are in use.
    pub fn mark(&self, used: &mut [bool]) {
        self.by_key.keys().for_each(|key| used[*key as usize] = true);
    }

    /// Keys have new numbers: those in use all have one.
    pub fn renumber(&mut self, new: &[u32]) {
        self.by_key = self.by_key.drain().map(|(key, of_key)| (new[key as usize], of_key)).collect();
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

impl Session {
    fn group(&self, key: u32, gap_us: i64) -> Group<'_> {
        Group {
            key,
            start: self.start,
            end: self.last.saturating_add(gap_us),
            from: self.from,
            history: &self.history,
            words: &self.sums.words,
            sides: &self.sums.sides,
            retracted: false,
        }
    }

    /// Tells of the session, and takes back what was told of it under other starts.
    fn tell(&mut self, key: u32, gap_us: i64, result: u32, tell: &mut impl FnMut(Group)) {
        let mut starts = std::mem::take(&mut self.history.starts);
        let at = starts.iter().position(|(start, _)| *start == self.start);
        let (_, revision) = at.map_or((self.start, 0), |at| starts.swap_remove(at));
        for (start, revision) in starts {
            let history = History { revision, ..History::default() };
            let end = start.saturating_add(gap_us);
            tell(Group { start, end, history: &history, retracted: true, ..self.group(key, gap_us) });
        }
        self.history.revision = revision;
        tell(self.group(key, gap_us));
        self.history.tell(result);
        self.history.starts = vec![(self.start, self.history.revision)];
    }
}
