//! What an error of storage means: whether doing it again may help, and what a person can do.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// Whether doing it again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Again,
    Never,
}

/// What the disk holds after this nobody can say, and asking it again would not tell: a sync that failed is not told a
/// second time, whatever became of the bytes.
#[derive(Debug)]
pub struct Unsettled(pub io::Error);

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}; what the disk holds now is only known after a restart", self.0)
    }
}

impl Error for Unsettled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// An error that must not be followed by another try.
pub fn unsettled(cause: io::Error) -> io::Error {
    io::Error::new(cause.kind(), Unsettled(cause))
}

/// An error and all that is behind it. What stands inside an `io::Error` is behind it too, which its `source` passes over.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source())
    }
    std::iter::successors(Some(error), |error| next(*error))
}

/// However deep the reason is behind the error.
pub fn verdict(error: &(dyn Error + 'static)) -> Verdict {
    use object_store::Error::{
        InvalidPath, NotFound, NotImplemented, NotSupported, PermissionDenied, Unauthenticated, UnknownConfigurationKey,
    };
    let is_final = |error: &(dyn Error + 'static)| {
        error.is::<Unsettled>()
            || error.downcast_ref::<io::Error>().is_some_and(|cause| {
                matches!(
                    cause.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::NotFound
                        | ErrorKind::NotADirectory
                        | ErrorKind::IsADirectory
                        | ErrorKind::InvalidInput
                        | ErrorKind::InvalidFilename
                        | ErrorKind::InvalidData
                        | ErrorKind::Unsupported
                        | ErrorKind::CrossesDevices
                )
            })
            || error.downcast_ref::<object_store::Error>().is_some_and(|cause| {
                refusal(cause).is_some()
                    || matches!(
                        cause,
                        InvalidPath { .. }
                            | NotFound { .. }
                            | NotImplemented { .. }
                            | NotSupported { .. }
                            | PermissionDenied { .. }
                            | Unauthenticated { .. }
                            | UnknownConfigurationKey { .. }
                    )
            })
    };
    if chain(error).any(is_final) { Verdict::Never } else { Verdict::Again }
}

/// A refusal that no other answer will follow, by the status and code of the answer: of lists and deletes the client tells
/// them in its text alone.
fn refusal(error: &object_store::Error) -> Option<&'static str> {
    const UNKNOWN: &str = ": the store does not take these credentials; look at AWS_ACCESS_KEY_ID and the like";
    const REFUSED: &str = ": the store refuses it to these credentials; they must be allowed to list the bucket and to get, put \
                           and delete what is in it";
    const NO_BUCKET: &str = ": there is no such bucket; make it, or correct `data`";
    let text = error.to_string();
    let known =
        [("status code: 401", UNKNOWN), ("status code: 403", REFUSED), ("<Code>NoSuchBucket</Code>", NO_BUCKET)];
    known.into_iter().find(|(words, _)| text.contains(words)).map(|(_, advice)| advice)
}

/// What helps against an error of storage; empty if we know of nothing.
pub fn advice(error: &(dyn Error + 'static)) -> &'static str {
    chain(error).find_map(of_one).unwrap_or_default()
}

fn of_one(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(cause) = error.downcast_ref::<object_store::Error>() {
        if let object_store::Error::NotImplemented { .. } = cause {
            return Some(": the store cannot do this; it must honour If-None-Match");
        }
        if let Some(advice) = refusal(cause) {
            return Some(advice);
        }
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(": the disk is full; free some space"),
        ErrorKind::FileTooLarge => Some(": this process may not write longer files; raise its limit (ulimit -f)"),
        ErrorKind::PermissionDenied => Some(": not permitted; the user who runs rhumb must own the data folder"),
        ErrorKind::ReadOnlyFilesystem => Some(": the disk is read-only; mount it writable or choose another `data`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: ErrorKind) -> object_store::Error {
        object_store::Error::Generic { store: "disk", source: Box::new(io::Error::from(kind)) }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again() {
        for (kind, expected) in [
            (ErrorKind::StorageFull, Verdict::Again),
            (ErrorKind::TimedOut, Verdict::Again),
            (ErrorKind::ConnectionRefused, Verdict::Again),
            (ErrorKind::FileTooLarge, Verdict::Again),
            (ErrorKind::PermissionDenied, Verdict::Never),
            (ErrorKind::ReadOnlyFilesystem, Verdict::Never),
            (ErrorKind::NotFound, Verdict::Never),
        ] {
            assert_eq!(verdict(&wrapped(kind)), expected, "{kind:?}");
        }
        assert_eq!(verdict(&unsettled(io::Error::from(ErrorKind::StorageFull))), Verdict::Never);
        let nested = io::Error::other(wrapped(ErrorKind::PermissionDenied));
        assert_eq!(verdict(&nested), Verdict::Never);
    }

    #[test]
    fn advice_is_found_however_deep_the_reason_is() {
        assert_eq!(advice(&io::Error::other(wrapped(ErrorKind::StorageFull))), ": the disk is full; free some space");
        let answer = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
        let refused =
            answer("Server returned non-2xx status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>");
        assert!(advice(&refused).contains("credentials"));
        assert_eq!(verdict(&refused), Verdict::Never);
        let busy = answer("Server returned non-2xx status code: 503 Slow Down: ");
        assert_eq!((advice(&busy), verdict(&busy)), ("", Verdict::Again));
        assert_eq!(advice(&io::Error::from(ErrorKind::TimedOut)), "");
    }
}
