//! What goes wrong with devices, at the shares that were asked for.

/// What was done to a frame on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The vehicle falls silent, from this frame on. Never seen on a frame.
    Gap,
    /// The frame comes a second time, later; this is the second.
    Duplicate,
    /// Comes late, after newer ones.
    Late,
    /// The device's clock is ahead, by an hour to ten days.
    ClockFuture,
    /// The device's clock has lost 1024 weeks.
    ClockRollover,
    /// The device's clock stands at 1970-01-01.
    ClockZero,
    /// Exactly (0, 0).
    NullIsland,
    /// 50 to 500 km from where the vehicle is.
    Teleport,
}

/// Share of the frames that each fault befalls, 0 to 1; a frame has one fault at most. Default all 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shares {
    /// Of the frames that would be sent: those at which a silence begins.
    pub gap: f64,
    pub duplicate: f64,
    pub late: f64,
    pub clock_future: f64,
    pub clock_rollover: f64,
    pub clock_zero: f64,
    pub null_island: f64,
    pub teleport: f64,
}

impl Shares {
    fn all(&self) -> [(Fault, f64); 8] {
        [
            (Fault::Gap, self.gap),
            (Fault::Duplicate, self.duplicate),
            (Fault::Late, self.late),
            (Fault::ClockFuture, self.clock_future),
            (Fault::ClockRollover, self.clock_rollover),
            (Fault::ClockZero, self.clock_zero),
            (Fault::NullIsland, self.null_island),
            (Fault::Teleport, self.teleport),
        ]
    }

    pub(super) fn problem(&self) -> Option<String> {
        let sum: f64 = self.all().iter().map(|(_, share)| share).sum();
        let fine = self.all().iter().all(|(_, share)| *share >= 0.0) && sum <= 1.0;
        (!fine).then(|| "shares of faults must not be negative and not be more than 1 together".to_owned())
    }
}

/// Shares as marks on the range of a `u32`, so that one drawn number says which fault it is, mostly by one comparison.
pub(super) struct Dice {
    marks: [(u64, Fault); 8],
}

impl Dice {
    pub fn new(shares: &Shares) -> Dice {
        let mut sum = 0.0;
        let marks = shares.all().map(|(fault, share)| {
            sum += share;
            ((sum * 4_294_967_296.0) as u64, fault)
        });
        Dice { marks }
    }

    #[inline]
    pub fn fault(&self, drawn: u32) -> Option<Fault> {
        if u64::from(drawn) >= self.marks[7].0 {
            return None;
        }
        self.marks.iter().find(|(mark, _)| u64::from(drawn) < *mark).map(|(_, fault)| *fault)
    }
}
