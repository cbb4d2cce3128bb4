//! From the bytes of a picture to pixels, without trusting them.
//!
//! The format is told by the bytes, not by a file name or a declared type. Size and dimensions are checked before memory
//! is taken for the pixels. Of an animation the first frame is judged. Orientation from EXIF is applied, transparency is
//! laid over white, as a viewer would see it. A decoder's panic on hostile input is caught and costs only that picture.

mod image;

pub(crate) use self::image::check_size;
pub use self::image::{Limits, decode};

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use models::Pixels;

use crate::error::PipelineError;

/// [`decode`] on the computing pool. Nothing is decoded when the caller has left meanwhile.
pub async fn decode_on_pool(bytes: Bytes, limits: Limits) -> Result<Pixels, PipelineError> {
    decode_on_pool_and(bytes, limits, |pixels| pixels).await
}

/// [`decode_on_pool`], and what `and` makes of the pixels, there as well.
pub(crate) async fn decode_on_pool_and<T: Send + 'static>(
    bytes: Bytes,
    limits: Limits,
    and: impl FnOnce(Pixels) -> T + Send + 'static,
) -> Result<T, PipelineError> {
    let (answer, wait) = tokio::sync::oneshot::channel();
    rayon::spawn(move || {
        if answer.is_closed() {
            return;
        }
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes, &limits).map(and)));
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
