//! A bucket of an object store, or a path in it, that files are written to. A file is sent in pieces and stands there once the last one is.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};

use super::{Part, Target, check_path};
use crate::Error;
use crate::objects::{Opened, told};

/// Bytes of one piece. Stores take at least 5 MiB, and ten thousand pieces of a file.
const PIECE_BYTES: usize = 8 << 20;

/// Where in a bucket files are written.
pub(crate) struct Bucket {
    opened: Opened,
    below: Path,
}

impl Bucket {
    /// The path below that of a connection.
    ///
    /// # Errors
    /// `Invalid` with `export_path_invalid`.
    pub(crate) fn new(opened: &Opened, path: &str) -> Result<Self, Error> {
        check_path(path)?;
        let names = path.split('/').map(object_store::path::PathPart::from);
        let below = Path::from_iter(opened.prefix.parts().chain(names));
        Ok(Self { opened: opened.clone(), below })
    }

    fn path(&self, name: &str) -> Path {
        self.below.clone().join(name)
    }
}

#[async_trait]
impl Target for Bucket {
    async fn exists(&self, name: &str) -> Result<bool, Error> {
        match self.opened.store.head(&self.path(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(told(&error, name)),
        }
    }

    async fn begin(&self, name: &str, _: &str) -> Result<Box<dyn Part>, Error> {
        let part = BucketPart {
            opened: self.opened.clone(),
            path: self.path(name),
            name: name.to_owned(),
            waiting: Vec::new(),
            upload: None,
        };
        Ok(Box::new(part))
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.opened.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(told(&error, name)),
        }
    }

    async fn folders(&self) -> Result<Vec<String>, Error> {
        let listed = self.opened.store.list_with_delimiter(Some(&self.below)).await;
        let listed = listed.map_err(|error| told(&error, "the path"))?;
        Ok(listed.common_prefixes.iter().filter_map(|own| own.filename().map(str::to_owned)).collect())
    }

    async fn remove_folder(&self, folder: &str, first: &str) -> Result<(), Error> {
        check_path(folder)?;
        let home = self.path(folder);
        let gone = |outcome: Result<(), object_store::Error>| match outcome {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(told(&error, folder)),
        };
        gone(self.opened.store.delete(&home.clone().join(first)).await)?;
        let mut found = self.opened.store.list(Some(&home));
        while let Some(object) = found.next().await {
            let object = object.map_err(|error| told(&error, folder))?;
            gone(self.opened.store.delete(&object.location).await)?;
        }
        Ok(())
    }
}

struct BucketPart {
    opened: Opened,
    path: Path,
    name: String,
    /// What is not sent yet.
    waiting: Vec<u8>,
    /// What is sent, where it is more than one piece.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl BucketPart {
    async fn send(&mut self, piece: Vec<u8>) -> Result<(), object_store::Error> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(self.opened.store.put_multipart(&self.path).await?),
        };
        upload.put_part(PutPayload::from_bytes(Bytes::from(piece))).await
    }

    async fn finish(&mut self) -> Result<(), object_store::Error> {
        let last = std::mem::take(&mut self.waiting);
        if self.upload.is_none() {
            let payload = PutPayload::from_bytes(Bytes::from(last));
            return self.opened.store.put(&self.path, payload).await.map(drop);
        }
        if !last.is_empty() {
            self.send(last).await?;
        }
        match self.upload.take() {
            Some(mut upload) => upload.complete().await.map(drop),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Part for BucketPart {
    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.waiting.extend(bytes);
        while self.waiting.len() >= PIECE_BYTES {
            let rest = self.waiting.split_off(PIECE_BYTES);
            let piece = std::mem::replace(&mut self.waiting, rest);
            self.send(piece).await.map_err(|error| told(&error, &self.name))?;
        }
        Ok(())
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.finish().await.map_err(|error| told(&error, &self.name))
    }
}

impl Drop for BucketPart {
    /// Gives up what was sent. Where that fails, the store keeps pieces that nobody sees until its own rules take them away.
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { drop(upload.abort().await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_file_is_there_whole_or_not_at_all() {
        let opened = Opened { store: Arc::new(InMemory::new()), prefix: Path::from("lake") };
        let bucket = Bucket::new(&opened, "day=1/a b").expect("a path");
        for size in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 3] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
            let mut part = bucket.begin("x", "1").await.expect("a file");
            for some in bytes.chunks(3_000_000) {
                part.write(some.to_vec()).await.expect("written");
            }
            assert!(!bucket.exists("x").await.expect("an answer"));
            part.close().await.expect("closed");
            let path = Path::from_iter(["lake", "day=1", "a b", "x"]);
            let found = opened.store.get(&path).await.expect("an object").bytes().await.expect("its bytes");
            assert!(found == bytes, "{size}");
            bucket.remove("x").await.expect("removed");
            bucket.remove("x").await.expect("it may be gone");
        }
        let home = Bucket::new(&opened, "day=1").expect("a path");
        for name in ["run=1", "run=2"] {
            for file in ["a", "manifest.json"] {
                let folder = Bucket::new(&opened, &format!("day=1/{name}")).expect("a path");
                folder.begin(file, "1").await.expect("a file").close().await.expect("closed");
            }
        }
        home.remove_folder("run=1", "manifest.json").await.expect("removed");
        home.remove_folder("run=1", "manifest.json").await.expect("it may be gone");
        assert_eq!(home.folders().await.expect("an answer"), ["run=2"]);
        let mut part = bucket.begin("y", "1").await.expect("a file");
        part.write(vec![0; PIECE_BYTES + 1]).await.expect("written");
        drop(part);
        assert!(!bucket.exists("y").await.expect("an answer"));
        assert_eq!(Bucket::new(&opened, "../up").err().expect("a path that leads out").code, "export_path_invalid");
    }
}
