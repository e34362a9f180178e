use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// A program of a tool that is made once a version and user: `program` in the tool's folder `name`, where `make` puts it.
///
/// What others have half made is made again; two who want it at once make it once.
pub(crate) fn keep(
    name: &str,
    program: &str,
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    let root = folder()?.join(name);
    let program = root.join(program);
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&root).map_err(Failure::io(format!("create {}", root.display())))?;
    // Two checkouts may want it at once: the second waits, and finds it there.
    let lock = File::create(root.join("lock")).map_err(Failure::io("create a lock file"))?;
    lock.lock().map_err(Failure::io("lock the tools"))?;
    if !program.is_file() {
        make(&root)?;
    }
    Ok(program)
}

/// Where tools are kept: outside of the checkout, so that a fresh one finds them.
fn folder() -> Result<PathBuf, Failure> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("LARDER_TOOLS_DIR")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("larder/tools")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/larder/tools")))
        .ok_or_else(|| Failure::new("set LARDER_TOOLS_DIR to a folder for tools: there is no HOME"))
}
