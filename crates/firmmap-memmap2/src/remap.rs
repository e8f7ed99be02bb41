//! [`RemapOptions`].

/// How [`Mmap::remap`](crate::Mmap::remap) and its like give a map another length.
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::{MmapMut, RemapOptions};
/// let mut map = MmapMut::map_anon(10)?;
/// // SAFETY: nobody holds an address in it.
/// unsafe { map.remap(100_000, RemapOptions::new().may_move(true))? };
/// assert_eq!(map.len(), 100_000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RemapOptions {
    pub(crate) may_move: bool,
}

impl RemapOptions {
    /// The map stays where it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the map may move if it cannot get the length where it is. With the feature `stable_deref_trait` others may rely on its
    /// address: then it must not.
    pub fn may_move(mut self, may_move: bool) -> Self {
        self.may_move = may_move;
        self
    }
}
