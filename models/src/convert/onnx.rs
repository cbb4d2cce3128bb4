//! The part of the ONNX file format that the converters write, and a builder for graphs.
//!
//! The messages are written by hand from the published `onnx.proto`; only fields that are used are here.

use std::{
    io::{self, Write},
    ops::Range,
};

use prost::{Message, bytes::Bytes};

/// `TensorProto.DataType.FLOAT`.
pub(crate) const FLOAT: i32 = 1;
/// `TensorProto.DataType.INT64`.
pub(crate) const INT64: i32 = 7;

/// File format version: 9 is the first with operator set 20.
const IR_VERSION: i64 = 9;
/// Operator set: 20 is the first with `Gelu`.
const OPSET: i64 = 20;

#[derive(Clone, PartialEq, Message)]
struct OperatorSetId {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<Body>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetId>,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "bytes", tag = "9")]
    raw_data: Bytes,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<ValueType>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    param: Option<String>,
}

/// One dimension of a graph input or output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dim {
    /// Known only at run time.
    Named(&'static str),
    /// Fixed.
    Fixed(i64),
}

/// The value of a node's attribute.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// `FLOAT`.
    Float(f32),
    /// `INT`.
    Int(i64),
    /// `INTS`.
    Ints(Vec<i64>),
}

impl Value {
    fn named(self, name: &str) -> Attribute {
        let mut attribute = Attribute { name: name.into(), f: None, i: None, ints: Vec::new(), kind: 0 };
        match self {
            Self::Float(f) => (attribute.f, attribute.kind) = (Some(f), 1),
            Self::Int(i) => (attribute.i, attribute.kind) = (Some(i), 2),
            Self::Ints(ints) => (attribute.ints, attribute.kind) = (ints, 7),
        }
        attribute
    }
}

/// A graph that is being built. Values are referred to by name.
#[derive(Debug)]
pub(crate) struct Graph {
    body: Body,
}

impl Graph {
    /// An empty graph.
    pub(crate) fn new(name: &str) -> Self {
        Self { body: Body { name: name.into(), ..Body::default() } }
    }

    /// Declares a graph input.
    pub(crate) fn input(&mut self, name: &str, element: i32, dims: &[Dim]) -> String {
        self.body.input.push(value_info(name, element, dims));
        name.into()
    }

    /// Declares a graph output; a node must write it.
    pub(crate) fn output(&mut self, name: &str, element: i32, dims: &[Dim]) {
        self.body.output.push(value_info(name, element, dims));
    }

    /// Adds 32-bit float weights; `dims` must multiply to their number.
    pub(crate) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.raw(name, FLOAT, dims, Bytes::from_iter(values.iter().flat_map(|value| value.to_le_bytes())))
    }

    /// Adds a 1-dimensional tensor of integers.
    pub(crate) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.raw(name, INT64, &[values.len()], bytes)
    }

    /// Adds weights that are little-endian bytes already.
    pub(crate) fn raw(&mut self, name: &str, element: i32, dims: &[usize], data: Bytes) -> String {
        let width = if element == INT64 { 8 } else { 4 };
        debug_assert_eq!(dims.iter().product::<usize>() * width, data.len(), "{name}");
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        let tensor = Tensor { dims, data_type: element, name: name.into(), raw_data: data, ..Tensor::default() };
        self.body.initializer.push(tensor);
        name.into()
    }

    /// Adds a node with one output, named `name` like the node itself, and returns that name.
    pub(crate) fn node(&mut self, op: &str, name: &str, inputs: &[&str], attributes: &[(&str, Value)]) -> String {
        self.body.node.push(Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute: attributes.iter().map(|(name, value)| value.clone().named(name)).collect(),
        });
        name.into()
    }

    /// Writes the graph into `out` and its weights into `data`, a file beside it whose name is `data_name`. Backends map such a file: its pages
    /// are the system's cache of files, which it can take back and which processes share.
    pub(crate) fn write(mut self, out: &mut impl Write, data: &mut impl Write, data_name: &str) -> io::Result<()> {
        let mut end = 0;
        for tensor in self.body.initializer.iter_mut().filter(|tensor| tensor.raw_data.len() >= BESIDE_FROM) {
            let bytes = std::mem::take(&mut tensor.raw_data);
            let begin = usize::next_multiple_of(end, ALIGNMENT);
            data.write_all(&[0; ALIGNMENT][..begin - end])?;
            data.write_all(&bytes)?;
            end = begin + bytes.len();
            tensor.data_location = EXTERNAL;
            tensor.external_data = [
                ("location", data_name.to_owned()),
                ("offset", begin.to_string()),
                ("length", bytes.len().to_string()),
            ]
            .map(|(key, value)| Entry { key: key.into(), value })
            .to_vec();
        }
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "chaperone".into(),
            graph: Some(self.body),
            opset_import: vec![OperatorSetId { domain: String::new(), version: OPSET }],
        };
        out.write_all(&model.encode_to_vec())
    }
}

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;
/// Bytes from which on a tensor lies in the file of weights. Small ones, shapes and axes among them, stay in the graph, where optimisers want them.
const BESIDE_FROM: usize = 1024;
/// Weights begin at multiples of so many bytes: a line of the processor's cache.
const ALIGNMENT: usize = 64;

fn value_info(name: &str, element: i32, dims: &[Dim]) -> ValueInfo {
    let dim = dims
        .iter()
        .map(|dim| match *dim {
            Dim::Named(name) => Dimension { value: None, param: Some(name.into()) },
            Dim::Fixed(value) => Dimension { value: Some(value), param: None },
        })
        .collect();
    let tensor = TensorType { elem_type: element, shape: Some(Shape { dim }) };
    ValueInfo { name: name.into(), r#type: Some(ValueType { tensor_type: Some(tensor) }) }
}

/// Turns a row-major `rows` × `columns` matrix of 4-byte elements into its transpose.
pub(crate) fn transpose(data: &[u8], rows: usize, columns: usize) -> Bytes {
    let mut out = vec![0; data.len()];
    for (row, line) in data.chunks_exact(columns * 4).enumerate() {
        for (column, element) in line.chunks_exact(4).enumerate() {
            let at: Range<usize> = (column * rows + row) * 4..(column * rows + row) * 4 + 4;
            out[at].copy_from_slice(element);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_decodes_to_what_was_built() {
        let mut graph = Graph::new("sum");
        let x = graph.input("x", FLOAT, &[Dim::Named("batch"), Dim::Fixed(2)]);
        let w = graph.floats("w", &[2], &[1.5, -2.0]);
        graph.floats("odd", &[257], &[0.5; 257]);
        graph.floats("bulk", &[16, 20], &[2.5; 320]);
        graph.ints("axes", &[1]);
        graph.node("Softmax", "y", &[&x, &w], &[("axis", Value::Int(-1)), ("pads", Value::Ints(vec![0, 1]))]);
        graph.output("y", FLOAT, &[Dim::Named("batch"), Dim::Fixed(2)]);
        let built = graph.body.clone();
        let (mut file, mut data) = (Vec::new(), Vec::new());
        graph.write(&mut file, &mut data, "sum.onnx.data").unwrap();

        let model = Model::decode(&file[..]).unwrap();
        assert_eq!(model.ir_version, IR_VERSION);
        assert_eq!(model.opset_import[0].version, OPSET);
        let mut read = model.graph.unwrap();
        let mut places = Vec::new();
        for tensor in read.initializer.iter_mut().filter(|tensor| tensor.data_location == EXTERNAL) {
            let of = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).unwrap().value.clone();
            assert_eq!(of("location"), "sum.onnx.data");
            let (offset, length): (usize, usize) = (of("offset").parse().unwrap(), of("length").parse().unwrap());
            places.push((tensor.name.clone(), offset, length));
            tensor.raw_data = Bytes::copy_from_slice(&data[offset..offset + length]);
            (tensor.external_data, tensor.data_location) = (Vec::new(), 0);
        }
        assert_eq!(
            places,
            [("odd".to_owned(), 0, 1028), ("bulk".to_owned(), 1088, 1280)],
            "small ones stay, lines begin whole"
        );
        assert_eq!(data.len(), 1088 + 1280);
        assert_eq!(read, built);
    }

    #[test]
    fn transpose_swaps_rows_and_columns() {
        let matrix: Vec<u8> = [1_f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let expected: Vec<u8> = [1_f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(&transpose(&matrix, 2, 3)[..], expected);
        assert_eq!(&transpose(&expected, 3, 2)[..], matrix);
    }
}
