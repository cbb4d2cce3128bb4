//! What training changed of published weights: small enough for git, put together with the published file again when that
//! is fetched.
//!
//! A safetensors file. Of a matrix `m`, `m` holds the difference to the published one in steps (I8, same shape) and
//! `m.step` the size of a step per row (F32): `published + step · difference`. A vector (F32) replaces the published
//! one. Differences are small beside the weights, so a byte of them loses far less than a byte of the weights would.

use prost::bytes::Bytes;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{minilm::floats, surprise};
use crate::ModelError;

/// Changes by tensor name.
#[derive(Debug)]
pub(super) struct Changes<'a>(Option<SafeTensors<'a>>);

impl<'a> Changes<'a> {
    /// Everything stays as published.
    pub(super) const NONE: Changes<'static> = Changes(None);

    pub(super) fn parse(file: &'a [u8]) -> Result<Self, ModelError> {
        SafeTensors::deserialize(file)
            .map(|tensors| Self(Some(tensors)))
            .map_err(|error| surprise(format!("changes: {error}")))
    }

    fn find(&self, name: &str) -> Option<TensorView<'_>> {
        self.0.as_ref()?.tensor(name).ok()
    }

    /// `published` with the changes of this tensor, if it has any.
    pub(super) fn apply(&self, name: &str, shape: &[usize], published: Bytes) -> Result<Bytes, ModelError> {
        let Some(change) = self.find(name) else { return Ok(published) };
        if change.shape() != shape {
            return Err(surprise(format!("changes: {name} is {:?} where {shape:?} is expected", change.shape())));
        }
        match (change.dtype(), shape) {
            (Dtype::F32, _) => Ok(Bytes::copy_from_slice(change.data())),
            (Dtype::I8, &[rows, columns]) => {
                let steps = self.own(&format!("{name}.step"), &[rows])?;
                let lines = floats(&steps).zip(change.data().chunks_exact(columns));
                let differences =
                    lines.flat_map(|(step, line)| line.iter().map(move |byte| f32::from(byte.cast_signed()) * step));
                Ok(floats(&published)
                    .zip(differences)
                    .flat_map(|(old, difference)| (old + difference).to_le_bytes())
                    .collect())
            }
            (other, _) => Err(surprise(format!("changes: {name} is {other:?}"))),
        }
    }

    /// The bytes of a float tensor that only the changes have.
    pub(super) fn own(&self, name: &str, shape: &[usize]) -> Result<Bytes, ModelError> {
        let view = self.find(name).ok_or_else(|| surprise(format!("changes: {name} is missing")))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(surprise(format!(
                "changes: {name} is {:?} {:?} where F32 {shape:?} is expected",
                view.dtype(),
                view.shape()
            )));
        }
        Ok(Bytes::copy_from_slice(view.data()))
    }

    /// Rows of a matrix, or numbers in a vector.
    pub(super) fn rows(&self, name: &str) -> usize {
        self.find(name).and_then(|view| view.shape().first().copied()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn matrices_move_by_steps_and_vectors_are_replaced() {
        let (steps, vector) = (bytes(&[0.5, 2.0]), bytes(&[9.0]));
        let moves = [1_i8, -2, 0, 3].map(i8::cast_unsigned);
        let file = safetensors::serialize(
            [
                ("m", TensorView::new(Dtype::I8, vec![2, 2], &moves).unwrap()),
                ("m.step", TensorView::new(Dtype::F32, vec![2], &steps).unwrap()),
                ("v", TensorView::new(Dtype::F32, vec![1], &vector).unwrap()),
            ],
            None,
        )
        .unwrap();
        let changes = Changes::parse(&file).unwrap();
        let apply = |name: &str, shape: &[usize], published: &[f32]| {
            changes.apply(name, shape, bytes(published).into()).map(|out| floats(&out).collect::<Vec<_>>())
        };
        assert_eq!(apply("m", &[2, 2], &[1.0, 1.0, 1.0, 1.0]).unwrap(), [1.5, 0.0, 1.0, 7.0]);
        assert_eq!(apply("v", &[1], &[1.0]).unwrap(), [9.0]);
        assert_eq!(apply("other", &[1], &[1.0]).unwrap(), [1.0]);
        assert!(apply("m", &[4, 1], &[1.0; 4]).is_err());
        assert!(Changes::parse(b"garbage").is_err());
        assert!(changes.own("absent", &[1]).is_err());
    }
}
