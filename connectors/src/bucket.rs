//! Opening a place in an S3-compatible store. What it takes to get there (endpoint, region, credentials) comes from the
//! environment, as other tools have it: `AWS_ENDPOINT`, `AWS_REGION`, `AWS_ACCESS_KEY_ID` and so on.

use object_store::aws::AmazonS3Builder;
use object_store::client::SpawnedReqwestConnector;
use object_store::{BackoffConfig, Error, Result, RetryConfig};
use rhumb_engine::bucket::Bucket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// How URLs of buckets begin.
pub const SCHEME: &str = "s3://";

/// The client tries again by itself for so long; what lasts longer is for the engine to try again, and to tell.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const RETRIES_MAX: usize = 2;

/// Whether a place is named that is not a folder.
pub fn is_url(data: &str) -> bool {
    data.contains("://")
}

/// The bucket and the prefix of a URL such as `s3://bucket/some/prefix`.
pub fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix(SCHEME)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |part: &str| !part.is_empty() && !matches!(part, "." | "..");
    (!bucket.is_empty() && (prefix.is_empty() || prefix.split('/').all(is_plain))).then_some((bucket, prefix))
}

/// Asks nothing of the store yet.
///
/// # Errors
/// If the URL is none, or the environment says something that makes no sense.
pub fn open(url: &str) -> Result<Bucket> {
    let Some((bucket, prefix)) = parts(url) else {
        return Err(Error::Generic { store: "S3", source: format!("{url} is not s3://bucket/prefix").into() });
    };
    let retry = RetryConfig {
        backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
    };
    let requests = requests().map_err(|cause| Error::Generic { store: "S3", source: cause.into() })?;
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .with_http_connector(SpawnedReqwestConnector::new(requests))
        .build()?;
    Ok(Bucket::new(url, Arc::new(store), prefix))
}

/// Where the requests of all buckets of the process run. Connections belong to the runtime that made them, and must outlast
/// the runtimes of those who ask.
fn requests() -> std::io::Result<Handle> {
    static REQUESTS: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut requests = REQUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = match requests.take() {
        Some(runtime) => runtime,
        None => Builder::new_multi_thread().worker_threads(1).thread_name("rhumb-bucket").enable_all().build()?,
    };
    Ok(requests.insert(runtime).handle().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_prefix_are_told_apart() {
        for (url, expected) in [
            ("s3://lake", Some(("lake", ""))),
            ("s3://lake/", Some(("lake", ""))),
            ("s3://lake/a/b/", Some(("lake", "a/b"))),
            ("s3://lake/a//b", None),
            ("s3://lake/../b", None),
            ("s3:///a", None),
            ("gs://lake/a", None),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn opened_bucket_is_named_by_its_url() {
        assert_eq!(open("s3://lake/fleet/").unwrap().url(), "s3://lake/fleet");
        assert!(open("lake/fleet").is_err());
    }
}
