//! Protocols that are wrong on purpose: what the simulation has to catch.

/// A way to break the promise of nothing lost and nothing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A reader's position counts a row that it has not sent.
    PositionAheadOfRows,
    /// A reader's position does not count the rows that it has sent last.
    PositionBehindRows,
    /// A row that a reader sent before its barrier reaches the shard after it.
    BarrierBeforeRowAtShard,
    /// The same between shard and writer.
    BarrierBeforeRowAtWriter,
    /// The shard's state is not in the snapshot.
    StateForgotten,
    /// Segments are named by a manifest before they are synced.
    CommitBeforeSync,
    /// Segments can be seen before a manifest names them.
    VisibleBeforeCommit,
    /// What a crash left undone after a commit is not made up for.
    NotRepeatedAfterCommit,
    /// What is made up for after a commit is done twice.
    RepeatedTwice,
    /// A manifest takes the place of another of its number.
    ManifestOverwritten,
    /// After a crash nobody looks what stands in the alert log.
    LoggedAlertsForgotten,
}

impl Broken {
    pub const ALL: &[Broken] = &[
        Broken::PositionAheadOfRows,
        Broken::PositionBehindRows,
        Broken::BarrierBeforeRowAtShard,
        Broken::BarrierBeforeRowAtWriter,
        Broken::StateForgotten,
        Broken::CommitBeforeSync,
        Broken::VisibleBeforeCommit,
        Broken::NotRepeatedAfterCommit,
        Broken::RepeatedTwice,
        Broken::ManifestOverwritten,
        Broken::LoggedAlertsForgotten,
    ];
}
