//! The only files that a query can reach: those below the lake's folder.

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::ObjectStore;
use std::sync::Arc;
use url::Url;

/// Name of the lake among object stores.
const LAKE: &str = "rhumb://lake";

/// Knows one store, whatever is asked for.
#[derive(Debug)]
pub(crate) struct LakeOnly {
    lake: Arc<dyn ObjectStore>,
}

impl LakeOnly {
    pub(crate) fn new(lake: Arc<dyn ObjectStore>) -> LakeOnly {
        LakeOnly { lake }
    }
}

/// How plans name the lake.
pub(crate) fn lake_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(LAKE).expect("a URL of scheme and host")
}

impl ObjectStoreRegistry for LakeOnly {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match url.as_str().trim_end_matches('/') == LAKE {
            true => Ok(self.lake.clone()),
            false => Err(DataFusionError::Plan(format!("reading {url} is not allowed: queries read the lake alone"))),
        }
    }
}
