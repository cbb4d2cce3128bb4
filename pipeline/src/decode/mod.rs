//! From the bytes of a picture to pixels, without trusting them.
//!
//! The format is told by the bytes, not by a file name or a declared type. Size and dimensions are checked before memory
//! is taken for the pixels. Of an animation the first frame is judged. Orientation from EXIF is applied, transparency is
//! laid over white, as a viewer would see it. A caller may ask for fewer pixels of large JPEGs ([`Detail`]). A decoder's
//! panic on hostile input is caught and costs only that picture.

mod image;
mod jpeg;

pub(crate) use self::image::check_size;
pub use self::image::{Detail, Limits, Picture, decode, decode_to};

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::error::PipelineError;

/// [`decode_to`] on the computing pool. Nothing is decoded when the caller has left meanwhile.
pub async fn decode_on_pool(bytes: Bytes, limits: Limits, detail: Detail) -> Result<Picture, PipelineError> {
    decode_on_pool_and(bytes, limits, detail, |picture| picture).await
}

/// [`decode_on_pool`], and what `and` makes of the picture, there as well.
pub(crate) async fn decode_on_pool_and<T: Send + 'static>(
    bytes: Bytes,
    limits: Limits,
    detail: Detail,
    and: impl FnOnce(Picture) -> T + Send + 'static,
) -> Result<T, PipelineError> {
    let (answer, wait) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        if answer.is_closed() {
            return;
        }
        let decoded = catch_unwind(AssertUnwindSafe(|| decode_to(&bytes, &limits, detail).map(and)));
        let decoded = decoded.unwrap_or_else(|_| {
            Err(PipelineError::invalid("picture_corrupt", "the picture breaks its decoder; encode it anew"))
        });
        // The caller may have left while we decoded.
        let _ = answer.send(decoded);
    });
    wait.await.unwrap_or_else(|_| {
        Err(PipelineError::Internal { part: "decode", message: "the computing pool dropped a picture".into() })
    })
}
