//! A source: documents in a folder, behind a cached repository in place of a table.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use larder::{
    source::Source,
    types::{Document, Json},
};
use patterns::{Outcome, Shop};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Article {
    title: String,
    price: i64,
}

impl Document for Article {
    const FORM: &'static str = "article 1";
}

/// One file for each article.
struct Folder {
    path: PathBuf,
    n_read: AtomicUsize,
}

impl Folder {
    fn file(&self, key: &u32) -> PathBuf {
        self.path.join(format!("{key}.json"))
    }

    fn put(&self, key: u32, article: &Article) -> io::Result<()> {
        // Under another name first, so that nobody reads half of it.
        let new = self.path.join(format!("{key}.new"));
        fs::write(&new, serde_json::to_vec(article)?)?;
        fs::rename(new, self.file(&key))
    }

    fn read(&self, file: &Path) -> io::Result<Option<Json<Article>>> {
        self.n_read.fetch_add(1, Ordering::SeqCst);
        match fs::read(file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map(Json).map(Some)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Source for Folder {
    const NAME: &'static str = "articles";
    type Key = u32;
    type Value = Json<Article>;
    type Error = io::Error;

    fn load(&self, keys: &[u32]) -> io::Result<Vec<Option<Json<Article>>>> {
        keys.iter().map(|key| self.read(&self.file(key))).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn main() -> Outcome {
    let shop = Shop::open()?;
    let (larder, other) = (shop.larder()?, shop.larder()?);
    let path = std::env::temp_dir().join(format!("articles-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&path)?;
    let folder = Arc::new(Folder { path, n_read: AtomicUsize::new(0) });
    folder.put(1, &Article { title: "Jam".to_owned(), price: 450 })?;

    let prices = |larder: &larder::Larder<diesel::pg::Pg>| -> larder::Result<(Vec<Option<String>>, usize)> {
        let found = larder.source(&folder).find_many(&[1, 2, 1])?;
        let shown = found.into_iter().map(|article| article.map(|it| format!("{} {}", it.title, it.price))).collect();
        Ok((shown, folder.n_read.load(Ordering::SeqCst)))
    };
    shop.show("two files, one of them missing", || prices(&larder))?;
    shop.show("another process, and no file", || prices(&other))?;
    other.source(&folder).write(&[1, 2], |folder| {
        folder.put(1, &Article { title: "Jam".to_owned(), price: 475 })?;
        folder.put(2, &Article { title: "Tea".to_owned(), price: 300 })
    })?;
    shop.show("after a write", || prices(&larder))?;
    folder.put(1, &Article { title: "Jam".to_owned(), price: 500 })?;
    other.source(&folder).invalidate(&[1])?;
    shop.show("after somebody else has written, and said so", || prices(&larder))?;
    Ok(())
}
