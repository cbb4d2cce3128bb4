//! Keras layer graphs to ONNX, for the layers that image classifiers are made of.
//!
//! Keras keeps images as height, width, channels; ONNX wants the channels first, so the graph transposes once at its
//! input. Batch normalisation after a convolution is folded into that convolution's weights, zero padding into its
//! padding, and dropout disappears.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    onnx::{Dim, FLOAT, Graph, Value},
    surprise,
};
use crate::ModelError;

/// A functional Keras model: its layers in an order in which they can be computed.
#[derive(Debug, Deserialize)]
pub struct Network {
    layers: Vec<Layer>,
    output_layers: Vec<(String, usize, usize)>,
}

#[derive(Debug, Deserialize)]
struct Layer {
    name: String,
    class_name: String,
    config: Json,
    inbound_nodes: Vec<Vec<(String, usize, usize, Json)>>,
}

/// A weight in Keras' layout.
#[derive(Debug)]
pub struct Weight {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Numbers, last axis fastest.
    pub values: Vec<f32>,
}

/// A layer's output: an image of channels × height × width, or a row of features.
#[derive(Debug, Clone)]
struct Flow {
    name: String,
    shape: Extent,
    /// Zeros around the image that nobody has added yet: top, left, bottom, right.
    padding: [usize; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Image { channels: usize, height: usize, width: usize },
    Row(usize),
}

/// Builds the graph: input `pixels`, `[batch, height, width, channels]`, and one output called `output`.
pub(super) fn graph(network: Network, weights: HashMap<String, Weight>, output: &str) -> Result<Graph, ModelError> {
    let mut uses: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, layer) in network.layers.iter().enumerate() {
        for (from, ..) in layer.inbound_nodes.iter().flatten() {
            uses.entry(from.clone()).or_default().push(index);
        }
    }
    let Network { layers, output_layers } = network;
    let mut builder = Builder { graph: Graph::new("image-classifier"), layers, weights, uses, flows: HashMap::new() };
    for index in 0..builder.layers.len() {
        builder.layer(index)?;
    }
    let [(last, ..)] = &output_layers[..] else { return Err(surprise("a model must have exactly one output")) };
    let flow = builder.flow(last)?;
    let Extent::Row(classes) = flow.shape else { return Err(surprise(format!("{last}: the output is not a row"))) };
    builder.graph.node("Identity", output, &[&flow.name], &[]);
    builder.graph.output(output, FLOAT, &[Dim::Named("batch"), Dim::Fixed(classes as i64)]);
    Ok(builder.graph)
}

struct Builder {
    graph: Graph,
    layers: Vec<Layer>,
    weights: HashMap<String, Weight>,
    /// Layers (by index) that read a layer (by name).
    uses: HashMap<String, Vec<usize>>,
    flows: HashMap<String, Flow>,
}

/// Configuration of the windowed layers, in Keras' words.
#[derive(Debug, Deserialize)]
struct Window {
    #[serde(alias = "pool_size")]
    kernel_size: [usize; 2],
    strides: [usize; 2],
    padding: String,
    data_format: String,
    #[serde(default = "one_by_one")]
    dilation_rate: [usize; 2],
    #[serde(default)]
    use_bias: bool,
    #[serde(default)]
    activation: Option<String>,
    #[serde(default = "one")]
    depth_multiplier: usize,
}

fn one() -> usize {
    1
}

fn one_by_one() -> [usize; 2] {
    [1, 1]
}

/// A window's place on an image.
struct Placed {
    pads: [usize; 4],
    height: usize,
    width: usize,
}

impl Window {
    fn parse(layer: &Layer) -> Result<Self, ModelError> {
        let window: Self = parse(layer)?;
        let sane = window.kernel_size.iter().chain(&window.strides).all(|&side| (1..=64).contains(&side));
        if window.data_format != "channels_last" || window.dilation_rate != [1, 1] || !sane {
            return Err(surprise(format!("{}: unsupported window {window:?}", layer.name)));
        }
        Ok(window)
    }

    /// Padding and output size along both axes. Keras' `same` puts the odd pixel at the end.
    fn place(&self, name: &str, height: usize, width: usize, extra: [usize; 4]) -> Result<Placed, ModelError> {
        let axis = |axis: usize, size: usize, before: usize, after: usize| {
            let (kernel, stride) = (self.kernel_size[axis], self.strides[axis]);
            let padded = size + before + after;
            match self.padding.as_str() {
                "valid" if padded >= kernel => Ok((before, after, (padded - kernel) / stride + 1)),
                "same" => {
                    let out = padded.div_ceil(stride);
                    let missing = ((out - 1) * stride + kernel).saturating_sub(padded);
                    Ok((before + missing / 2, after + missing - missing / 2, out))
                }
                _ => Err(surprise(format!("{name}: {} padding of a {height} × {width} image", self.padding))),
            }
        };
        let [top, left, bottom, right] = extra;
        let (top, bottom, height) = axis(0, height, top, bottom)?;
        let (left, right, width) = axis(1, width, left, right)?;
        Ok(Placed { pads: [top, left, bottom, right], height, width })
    }
}

fn parse<T: serde::de::DeserializeOwned>(layer: &Layer) -> Result<T, ModelError> {
    T::deserialize(&layer.config).map_err(|error| surprise(format!("{}: {error}", layer.name)))
}

fn ints<const N: usize>(values: [usize; N]) -> Value {
    Value::Ints(values.iter().map(|&value| value as i64).collect())
}

impl Builder {
    fn layer(&mut self, index: usize) -> Result<(), ModelError> {
        let layer = &self.layers[index];
        let name = layer.name.clone();
        // Folded into the convolution before it.
        if self.flows.contains_key(&name) {
            return Ok(());
        }
        let flow = match layer.class_name.as_str() {
            "InputLayer" => self.input(index)?,
            "ZeroPadding2D" => self.zero_padding(index)?,
            "Conv2D" | "DepthwiseConv2D" => self.convolution(index)?,
            "ReLU" | "Activation" => self.activation_layer(index)?,
            "MaxPooling2D" | "AveragePooling2D" => self.pooling(index)?,
            "Add" => self.add(index)?,
            "Concatenate" => self.concatenate(index)?,
            "Flatten" => self.flatten(index)?,
            "Dense" => self.dense(index)?,
            "Dropout" => self.only_input(index)?,
            other => return Err(surprise(format!("{name}: layer type {other} is not supported"))),
        };
        self.flows.insert(name, flow);
        Ok(())
    }

    /// A layer's output, with all its padding added.
    fn flow(&mut self, name: &str) -> Result<Flow, ModelError> {
        let flow = self.unpadded(name)?;
        let [top, left, bottom, right] = flow.padding;
        let (true, Extent::Image { channels, height, width }) = (flow.padding != [0; 4], flow.shape) else {
            return Ok(flow);
        };
        let padded = format!("{name}.padded");
        let pads = [0, 0, top, left, 0, 0, bottom, right].map(|pad| pad as i64);
        let pads = self.graph.ints(&format!("{name}.pads"), &pads);
        let flow = Flow {
            name: self.graph.node("Pad", &padded, &[&flow.name, &pads], &[]),
            shape: Extent::Image { channels, height: height + top + bottom, width: width + left + right },
            padding: [0; 4],
        };
        self.flows.insert(name.into(), flow.clone());
        Ok(flow)
    }

    /// A layer's output as it is; the caller takes care of `padding`.
    fn unpadded(&self, name: &str) -> Result<Flow, ModelError> {
        self.flows.get(name).cloned().ok_or_else(|| surprise(format!("{name} is read before it is computed")))
    }

    fn input_names(&self, index: usize) -> Result<Vec<String>, ModelError> {
        let layer = &self.layers[index];
        let [node] = &layer.inbound_nodes[..] else {
            return Err(surprise(format!("{}: a layer must be used exactly once", layer.name)));
        };
        Ok(node.iter().map(|(name, ..)| name.clone()).collect())
    }

    fn only_name(&self, index: usize) -> Result<String, ModelError> {
        let names = self.input_names(index)?;
        let [name] = &names[..] else {
            return Err(surprise(format!("{}: expected exactly one input", self.layers[index].name)));
        };
        Ok(name.clone())
    }

    fn only_input(&mut self, index: usize) -> Result<Flow, ModelError> {
        let name = self.only_name(index)?;
        self.flow(&name)
    }

    /// Takes a weight, which must have this shape.
    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let weight = self.weights.remove(name).ok_or_else(|| surprise(format!("weight {name} is missing")))?;
        if weight.shape != shape {
            return Err(surprise(format!("weight {name} has shape {:?}, expected {shape:?}", weight.shape)));
        }
        Ok(weight.values)
    }

    fn input(&mut self, index: usize) -> Result<Flow, ModelError> {
        #[derive(Deserialize)]
        struct Config {
            batch_input_shape: (Option<usize>, usize, usize, usize),
        }
        let Config { batch_input_shape: (_, height, width, channels) } = parse(&self.layers[index])?;
        if self.flows.values().next().is_some() {
            return Err(surprise("a model must have exactly one input, before everything else"));
        }
        let sides = [height, width, channels].map(|side| Dim::Fixed(side as i64));
        let pixels = self.graph.input("pixels", FLOAT, &[Dim::Named("batch"), sides[0], sides[1], sides[2]]);
        let name = self.graph.node("Transpose", "channels_first", &[&pixels], &[("perm", ints([0, 3, 1, 2]))]);
        Ok(Flow { name, shape: Extent::Image { channels, height, width }, padding: [0; 4] })
    }

    fn zero_padding(&mut self, index: usize) -> Result<Flow, ModelError> {
        #[derive(Deserialize)]
        struct Config {
            padding: [[usize; 2]; 2],
        }
        let Config { padding: [[top, bottom], [left, right]] } = parse(&self.layers[index])?;
        let mut flow = self.only_input(index)?;
        flow.padding = [top, left, bottom, right];
        Ok(flow)
    }

    /// A convolution, with the batch normalisation that alone follows it.
    fn convolution(&mut self, index: usize) -> Result<Flow, ModelError> {
        let window = Window::parse(&self.layers[index])?;
        let name = self.layers[index].name.clone();
        let from = self.only_name(index)?;
        let input = self.unpadded(&from)?;
        let Extent::Image { channels, height, width } = input.shape else {
            return Err(surprise(format!("{name}: a convolution needs an image")));
        };
        let placed = window.place(&name, height, width, input.padding)?;
        let [rows, columns] = window.kernel_size;
        let depthwise = self.layers[index].class_name == "DepthwiseConv2D";
        let (kernel_name, filters, per_group) = if depthwise {
            ("depthwise_kernel", channels * window.depth_multiplier, 1)
        } else {
            #[derive(Deserialize)]
            struct Config {
                filters: usize,
            }
            let Config { filters } = parse(&self.layers[index])?;
            ("kernel", filters, channels)
        };
        // Keras: rows, columns, in, out (depthwise: channel, multiple). ONNX: out, in per group, rows, columns.
        let last = if depthwise { window.depth_multiplier } else { filters };
        let kernel = self.weight(&format!("{name}/{kernel_name}"), &[rows, columns, channels, last])?;
        let mut weights = vec![0.0; filters * per_group * rows * columns];
        for (at, &value) in kernel.iter().enumerate() {
            let (spot, inner) = (at / (channels * last), at % (channels * last));
            let (out, inside) = if depthwise { (inner, 0) } else { (inner % last, inner / last) };
            weights[(out * per_group + inside) * rows * columns + spot] = value;
        }
        let mut bias = vec![0.0; filters];
        if window.use_bias {
            bias = self.weight(&format!("{name}/bias"), &[filters])?;
        }
        let folded = self.fold_normalisation(index, &mut weights, &mut bias, window.activation.as_deref())?;

        let kernel = self.graph.floats(&format!("{name}.kernel"), &[filters, per_group, rows, columns], &weights);
        let bias = self.graph.floats(&format!("{name}.bias"), &[filters], &bias);
        let attributes = [
            ("group", Value::Int(if depthwise { channels as i64 } else { 1 })),
            ("kernel_shape", ints(window.kernel_size)),
            ("pads", ints(placed.pads)),
            ("strides", ints(window.strides)),
        ];
        let convolved = self.graph.node("Conv", &name, &[&input.name, &kernel, &bias], &attributes);
        let shape = Extent::Image { channels: filters, height: placed.height, width: placed.width };
        let name = self.activation(&name, &convolved, window.activation.as_deref())?;
        let flow = Flow { name, shape, padding: [0; 4] };
        if let Some(folded) = folded {
            self.flows.insert(folded, flow.clone());
        }
        Ok(flow)
    }

    /// If a batch normalisation is all that reads this convolution, multiplies it into the weights and gives its name.
    fn fold_normalisation(
        &mut self,
        index: usize,
        weights: &mut [f32],
        bias: &mut [f32],
        activation: Option<&str>,
    ) -> Result<Option<String>, ModelError> {
        #[derive(Deserialize)]
        struct Config {
            epsilon: f64,
            center: bool,
            scale: bool,
        }
        let readers = self.uses.get(&self.layers[index].name);
        let Some(&[reader]) = readers.map(Vec::as_slice) else { return Ok(None) };
        let layer = &self.layers[reader];
        if layer.class_name != "BatchNormalization" || !matches!(activation, None | Some("linear")) {
            return Ok(None);
        }
        let Config { epsilon, center, scale } = parse(layer)?;
        let name = layer.name.clone();
        let filters = bias.len();
        let mut vector = |part: &str, used: bool, default: f32| {
            // A part that the configuration switches off may still be among the weights: then it is not used.
            let weight = format!("{name}/{part}");
            if used { self.weight(&weight, &[filters]) } else { Ok(vec![default; filters]) }
        };
        let gamma = vector("gamma", scale, 1.0)?;
        let beta = vector("beta", center, 0.0)?;
        let mean = vector("moving_mean", true, 0.0)?;
        let variance = vector("moving_variance", true, 1.0)?;
        let per_filter = weights.len() / filters.max(1);
        for (filter, kernel) in weights.chunks_exact_mut(per_filter.max(1)).enumerate() {
            // In double precision, so that the result is the same on every machine and rounded once.
            let factor = f64::from(gamma[filter]) / (f64::from(variance[filter]) + epsilon).sqrt();
            let shift = f64::from(beta[filter]) + (f64::from(bias[filter]) - f64::from(mean[filter])) * factor;
            kernel.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
            bias[filter] = shift as f32;
        }
        Ok(Some(name))
    }

    /// Applies an activation to the value `x`; `name` is the layer's.
    fn activation(&mut self, name: &str, x: &str, kind: Option<&str>) -> Result<String, ModelError> {
        match kind {
            None | Some("linear") => Ok(x.into()),
            Some("relu") => Ok(self.graph.node("Relu", &format!("{name}.relu"), &[x], &[])),
            Some("softmax") => {
                let axis = [("axis", Value::Int(-1))];
                Ok(self.graph.node("Softmax", &format!("{name}.softmax"), &[x], &axis))
            }
            Some(other) => Err(surprise(format!("{name}: activation {other} is not supported"))),
        }
    }

    fn activation_layer(&mut self, index: usize) -> Result<Flow, ModelError> {
        #[derive(Deserialize)]
        struct Config {
            activation: Option<String>,
            max_value: Option<f32>,
            #[serde(default)]
            negative_slope: f32,
            #[serde(default)]
            threshold: f32,
        }
        let Config { activation, max_value, negative_slope, threshold } = parse(&self.layers[index])?;
        let name = self.layers[index].name.clone();
        let mut flow = self.only_input(index)?;
        if negative_slope != 0.0 || threshold != 0.0 {
            return Err(surprise(format!("{name}: only plain and capped ReLU are supported")));
        }
        let kind = activation.as_deref().unwrap_or("relu");
        if kind == "softmax" && !matches!(flow.shape, Extent::Row(_)) {
            return Err(surprise(format!("{name}: softmax over an image is not supported")));
        }
        flow.name = match (kind, max_value) {
            ("relu", Some(most)) => {
                let least = self.graph.floats(&format!("{name}.least"), &[], &[0.0]);
                let most = self.graph.floats(&format!("{name}.most"), &[], &[most]);
                self.graph.node("Clip", &name, &[&flow.name, &least, &most], &[])
            }
            _ => self.activation(&name, &flow.name, Some(kind))?,
        };
        Ok(flow)
    }

    fn pooling(&mut self, index: usize) -> Result<Flow, ModelError> {
        let window = Window::parse(&self.layers[index])?;
        let name = self.layers[index].name.clone();
        let op = if self.layers[index].class_name == "MaxPooling2D" { "MaxPool" } else { "AveragePool" };
        let flow = self.only_input(index)?;
        let Extent::Image { channels, height, width } = flow.shape else {
            return Err(surprise(format!("{name}: pooling needs an image")));
        };
        let placed = window.place(&name, height, width, [0; 4])?;
        // Padding counts neither for the maximum nor for the mean, in Keras and by default in ONNX.
        let attributes = [
            ("kernel_shape", ints(window.kernel_size)),
            ("pads", ints(placed.pads)),
            ("strides", ints(window.strides)),
        ];
        let name = self.graph.node(op, &name, &[&flow.name], &attributes);
        let shape = Extent::Image { channels, height: placed.height, width: placed.width };
        Ok(Flow { name, shape, padding: [0; 4] })
    }

    fn add(&mut self, index: usize) -> Result<Flow, ModelError> {
        let name = self.layers[index].name.clone();
        let flows = self.all_inputs(index)?;
        let [first, second] = &flows[..] else { return Err(surprise(format!("{name}: expected two inputs"))) };
        if first.shape != second.shape {
            return Err(surprise(format!("{name}: adds {:?} and {:?}", first.shape, second.shape)));
        }
        Ok(Flow { name: self.graph.node("Add", &name, &[&first.name, &second.name], &[]), ..first.clone() })
    }

    fn concatenate(&mut self, index: usize) -> Result<Flow, ModelError> {
        let name = self.layers[index].name.clone();
        let flows = self.all_inputs(index)?;
        let axis = self.layers[index].config["axis"].as_i64();
        let mut total = 0;
        let mut sides = None;
        for flow in &flows {
            let (Extent::Image { channels, height, width }, Some(3 | -1)) = (flow.shape, axis) else {
                return Err(surprise(format!("{name}: only channels of images can be concatenated")));
            };
            if *sides.get_or_insert((height, width)) != (height, width) {
                return Err(surprise(format!("{name}: images of different size")));
            }
            total += channels;
        }
        let Some((height, width)) = sides else { return Err(surprise(format!("{name}: no input"))) };
        let names: Vec<&str> = flows.iter().map(|flow| flow.name.as_str()).collect();
        let name = self.graph.node("Concat", &name, &names, &[("axis", Value::Int(1))]);
        Ok(Flow { name, shape: Extent::Image { channels: total, height, width }, padding: [0; 4] })
    }

    fn all_inputs(&mut self, index: usize) -> Result<Vec<Flow>, ModelError> {
        self.input_names(index)?.iter().map(|name| self.flow(name)).collect()
    }

    fn flatten(&mut self, index: usize) -> Result<Flow, ModelError> {
        let name = self.layers[index].name.clone();
        let mut flow = self.only_input(index)?;
        let Extent::Image { channels, height, width } = flow.shape else { return Ok(flow) };
        // Keras flattens with the channels last; for one pixel both orders are the same.
        if (height, width) != (1, 1) {
            let order = [("perm", ints([0, 2, 3, 1]))];
            flow.name = self.graph.node("Transpose", &format!("{name}.channels_last"), &[&flow.name], &order);
        }
        let flat = self.graph.node("Flatten", &name, &[&flow.name], &[("axis", Value::Int(1))]);
        Ok(Flow { name: flat, shape: Extent::Row(channels * height * width), padding: [0; 4] })
    }

    fn dense(&mut self, index: usize) -> Result<Flow, ModelError> {
        #[derive(Deserialize)]
        struct Config {
            units: usize,
            use_bias: bool,
            activation: Option<String>,
        }
        let Config { units, use_bias, activation } = parse(&self.layers[index])?;
        let name = self.layers[index].name.clone();
        let flow = self.only_input(index)?;
        let Extent::Row(inputs) = flow.shape else { return Err(surprise(format!("{name}: needs a row of features"))) };
        let kernel = self.weight(&format!("{name}/kernel"), &[inputs, units])?;
        let bias = if use_bias { self.weight(&format!("{name}/bias"), &[units])? } else { vec![0.0; units] };
        let kernel = self.graph.floats(&format!("{name}.kernel"), &[inputs, units], &kernel);
        let bias = self.graph.floats(&format!("{name}.bias"), &[units], &bias);
        let product = self.graph.node("Gemm", &name, &[&flow.name, &kernel, &bias], &[]);
        let name = self.activation(&name, &product, activation.as_deref())?;
        Ok(Flow { name, shape: Extent::Row(units), padding: [0; 4] })
    }
}
