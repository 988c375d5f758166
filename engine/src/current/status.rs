//! What a vehicle is doing, as far as its newest frame says.

/// Slower than this is standing: below it, GPS noise looks like movement.
pub const MOVING_MPS: f32 = 1.0;

/// What a vehicle is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Moving,
    Stopped,
    /// Standing with the ignition on, of which only some devices tell.
    Idle,
    /// Silent for longer than a limit, whatever it did before.
    Offline,
}

impl Status {
    /// `is_silent`: for longer than the limit. A speed that nobody knows is that of a vehicle that stands.
    pub fn of(is_silent: bool, speed_mps: Option<f32>, ignition: Option<bool>) -> Status {
        match (is_silent, speed_mps.is_some_and(|speed| speed >= MOVING_MPS), ignition) {
            (true, _, _) => Status::Offline,
            (_, true, _) => Status::Moving,
            (_, _, Some(true)) => Status::Idle,
            _ => Status::Stopped,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Status::Moving => "moving",
            Status::Stopped => "stopped",
            Status::Idle => "idle",
            Status::Offline => "offline",
        }
    }
}
