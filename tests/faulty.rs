//! An object store that does not always do what it is told, or does it and does not say so. Each crate's tests take this
//! file in by its path.
#![allow(dead_code, reason = "each test takes what it needs")]

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It is not done.
    Before,
    /// It is done, and its answer is lost.
    AfterSuccess,
    /// It is not done, as a store answers whose clients ask too much.
    Throttled,
    /// It is done, and others get their turn first.
    Slow,
}

impl Fault {
    fn error(self) -> Error {
        let source = match self {
            Fault::Throttled => "503 Slow Down",
            Fault::AfterSuccess => "the connection was closed before the answer",
            _ => "the connection was refused",
        };
        Error::Generic { store: "faulty", source: source.into() }
    }
}

type Decide = Box<dyn FnMut() -> Fault + Send>;

#[derive(Clone)]
pub struct Faulty {
    objects: Arc<dyn ObjectStore>,
    decide: Arc<Mutex<Decide>>,
    behaves: Arc<AtomicBool>,
}

impl Faulty {
    /// These faults, one a request, then none.
    pub fn scripted(objects: Arc<dyn ObjectStore>, faults: Vec<Fault>) -> Faulty {
        let mut left = faults.into_iter();
        Faulty::new(objects, Box::new(move || left.next().unwrap_or(Fault::None)))
    }

    /// A fault in about so many requests, as the seed has it.
    pub fn seeded(objects: Arc<dyn ObjectStore>, seed: u64, once_in: u64) -> Faulty {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = move |end: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % end
        };
        let decide = move || match below(once_in) {
            0 => [Fault::Before, Fault::AfterSuccess, Fault::Throttled, Fault::Slow][below(4) as usize],
            _ => Fault::None,
        };
        Faulty::new(objects, Box::new(decide))
    }

    fn new(objects: Arc<dyn ObjectStore>, decide: Decide) -> Faulty {
        Faulty { objects, decide: Arc::new(Mutex::new(decide)), behaves: Arc::default() }
    }

    /// Whether it does what it is told, until it is told otherwise.
    pub fn behave(&self, behaves: bool) {
        self.behaves.store(behaves, Ordering::Relaxed);
    }

    async fn asked<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = match self.behaves.load(Ordering::Relaxed) {
            true => Fault::None,
            false => (self.decide.lock().expect("nobody panics"))(),
        };
        match fault {
            Fault::Before | Fault::Throttled => return Err(fault.error()),
            Fault::Slow => {
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
            }
            Fault::None | Fault::AfterSuccess => {}
        }
        let answer = request.await?;
        if fault == Fault::AfterSuccess { Err(fault.error()) } else { Ok(answer) }
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "faulty {}", self.objects)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.asked(self.objects.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.asked(self.objects.put_multipart_opts(location, options)).await?;
        Ok(Box::new(Upload { upload, store: self.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.asked(self.objects.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                store.asked(store.objects.delete(&location)).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, listed) = (self.clone(), self.objects.list(prefix));
        let first = async move { store.asked(async { Ok(()) }).await };
        futures::stream::once(first)
            .flat_map(move |asked| match asked {
                Ok(()) => futures::stream::empty().boxed(),
                Err(cause) => futures::stream::once(async { Err(cause) }).boxed(),
            })
            .chain(listed)
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.asked(self.objects.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.asked(self.objects.copy_opts(from, to, options)).await
    }
}

struct Upload {
    upload: Box<dyn MultipartUpload>,
    store: Faulty,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.upload.fmt(f)
    }
}

#[async_trait::async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, store) = (self.upload.put_part(data), self.store.clone());
        Box::pin(async move { store.asked(part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let store = self.store.clone();
        store.asked(self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
