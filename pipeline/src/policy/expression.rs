//! Conditions: CEL expressions, checked when the policy is loaded so that they cannot surprise when an item is judged.
//!
//! The top `||` of a condition is taken apart into alternatives. That changes nothing about when it fires (in CEL too,
//! a true side outweighs a side that fails), but it tells which score carried it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Program, Value,
    common::ast::{EntryExpr, Expr, LiteralValue, operators},
};

use super::evaluate::Scores;
use crate::lists::PREFIX;

/// What a condition may read.
const VARIABLES: [&str; 7] = ["score", "context", "list", "item", "actor", "thresholds", "labels"];
/// Fields of `item`.
const ITEM_FIELDS: [&str; 7] =
    ["kind", "length", "width", "height", "language", "language_supported", "suspected_frames"];
/// Fields of `actor`.
const ACTOR_FIELDS: [&str; 4] = ["strikes", "restricted", "account_age_days", "evasion"];
/// Longest condition, in characters.
const MAX_SOURCE: usize = 4096;
/// Deepest `exists` inside `exists`: a condition's cost must stay small.
const MAX_NESTING: usize = 2;

/// What conditions read that is the same for every item of a policy.
pub(crate) struct Constants {
    thresholds: BTreeMap<String, f64>,
    labels: BTreeMap<String, Vec<String>>,
    /// Labels of the word lists, with their prefix.
    lists: Vec<String>,
    /// Functions, and the variables that are the same for every item: made once, because making it costs more than a policy's conditions.
    root: Context<'static, 'static>,
}

impl Constants {
    /// The table `[thresholds]`.
    pub(crate) fn thresholds(&self) -> &BTreeMap<String, f64> {
        &self.thresholds
    }

    /// A number of the table `[thresholds]`.
    pub(crate) fn threshold(&self, name: &str) -> Option<f64> {
        self.thresholds.get(name).copied()
    }

    pub(crate) fn new(
        thresholds: BTreeMap<String, f64>,
        labels: BTreeMap<String, Vec<String>>,
        lists: &[String],
    ) -> Self {
        let mut root = Context::with_env(Arc::new(Env::stdlib()));
        root.add_variable_from_value("thresholds", thresholds.clone().into_iter().collect::<HashMap<_, _>>());
        root.add_variable_from_value("labels", labels.clone().into_iter().collect::<HashMap<_, _>>());
        Self { thresholds, labels, lists: lists.to_vec(), root }
    }

    /// The variables of one item.
    pub(crate) fn context(
        &self,
        item: HashMap<String, Value>,
        actor: HashMap<String, Value>,
        scores: &Scores<'_>,
    ) -> Context<'_, 'static> {
        let mut context = self.root.new_inner_scope();
        context.add_variable_from_value("item", item);
        context.add_variable_from_value("actor", actor);
        context.add_variable_from_value("score", numbers(&scores.alone));
        context.add_variable_from_value("context", numbers(&scores.context));
        // A list always has an answer: no hit is 0.
        let hits = self.list_names().zip(&self.lists);
        let hits = hits.map(|(name, label)| (name.to_owned(), f64::from(scores.get(false, label).unwrap_or(0.0))));
        context.add_variable_from_value("list", hits.collect::<HashMap<String, f64>>());
        context
    }

    fn list_names(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().map(|label| label.strip_prefix(PREFIX).unwrap_or(label))
    }
}

/// Scores as CEL numbers. Rounded to six digits: `f32` 0.8 is a little more or less than the 0.8 of a policy file, and
/// the two have to compare equal.
fn numbers(scores: &HashMap<&str, f32>) -> HashMap<String, f64> {
    scores.iter().map(|(label, score)| ((*label).to_owned(), (f64::from(*score) * 1e6).round() / 1e6)).collect()
}

/// A score that a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    context: bool,
    label: String,
}

#[derive(Debug)]
struct Alternative {
    node: IdedExpr,
    reads: Vec<Read>,
}

/// A condition, compiled and checked.
#[derive(Debug)]
pub(crate) struct Condition {
    alternatives: Vec<Alternative>,
    reads_person: bool,
    evasion_alone: bool,
}

/// What made a condition true.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    /// Label of the highest score that the true alternatives look at; `item` when they look at none.
    pub(crate) label: String,
    /// That score; 1 when there is none.
    pub(crate) score: f32,
}

/// What is wrong with a condition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Character of the source, from 0.
    pub(crate) character: usize,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

impl Condition {
    /// Compiles and checks `source`.
    pub(crate) fn compile(source: &str, constants: &Constants) -> Result<Self, Flaw> {
        if source.chars().count() > MAX_SOURCE {
            return Err(Flaw { character: 0, message: format!("a condition has at most {MAX_SOURCE} characters") });
        }
        let program = Program::compile(source).map_err(|errors| syntax_flaw(source, &errors))?;
        let place = |(node, message): (u64, String)| {
            let offset = program.source_info().offset_for(node).map_or(0, |(start, _)| start);
            Flaw { character: offset as usize, message }
        };
        let (mut alternatives, mut reads_person, mut evasion_alone) = (Vec::new(), false, false);
        for node in split(program.expression()) {
            let mut walk = Walk {
                constants,
                scope: Vec::new(),
                nesting: 0,
                reads: Vec::new(),
                dynamic: Vec::new(),
                names: Vec::new(),
                reads_person: false,
                reads_evasion: false,
            };
            walk.visit(node).map_err(place)?;
            reads_person |= walk.reads_person;
            let reads_evasion = walk.reads_evasion;
            let reads = walk.finish();
            evasion_alone |= reads_evasion && reads.is_empty();
            probe(node, &reads, constants).map_err(place)?;
            alternatives.push(Alternative { node: node.clone(), reads });
        }
        Ok(Self { alternatives, reads_person, evasion_alone })
    }

    /// Is the condition true? A condition that fails, because it reads a score that is not there, is not.
    pub(crate) fn hit(&self, context: &Context<'_, '_>, scores: &Scores<'_>) -> Option<Hit> {
        let holds = |node: &IdedExpr| matches!(Value::resolve(node, context), Ok(Value::Bool(true)));
        let mut hit: Option<Hit> = None;
        for alternative in self.alternatives.iter().filter(|alternative| holds(&alternative.node)) {
            let highest = alternative
                .reads
                .iter()
                .filter_map(|read| Some((read, scores.get(read.context, &read.label)?)))
                .max_by(|(_, a), (_, b)| a.total_cmp(b));
            let found = match highest {
                Some((read, score)) if read.context => Hit { label: format!("context.{}", read.label), score },
                Some((read, score)) => Hit { label: read.label.clone(), score },
                None => Hit { label: "item".into(), score: 1.0 },
            };
            if hit.as_ref().is_none_or(|known| found.score > known.score) {
                hit = Some(found);
            }
        }
        hit
    }

    /// The highest score that the condition looks at; `None` when none is there.
    pub(crate) fn highest(&self, scores: &Scores<'_>) -> Option<f32> {
        let reads = self.alternatives.iter().flat_map(|alternative| &alternative.reads);
        reads.filter_map(|read| scores.get(read.context, &read.label)).max_by(f32::total_cmp)
    }

    /// Does it look at what is known of the person?
    pub(crate) fn reads_person(&self) -> bool {
        self.reads_person
    }

    /// Can it hold because somebody looks like the banned, whatever they did now?
    pub(crate) fn evasion_alone(&self) -> bool {
        self.evasion_alone
    }

    /// Does it look at the score of `label`, alone or in its context?
    pub(crate) fn reads(&self, label: &str) -> bool {
        self.alternatives.iter().flat_map(|alternative| &alternative.reads).any(|read| read.label == label)
    }

    /// Does it look at a word list?
    pub(crate) fn reads_lists(&self) -> bool {
        self.alternatives.iter().flat_map(|alternative| &alternative.reads).any(|read| read.label.starts_with(PREFIX))
    }

    /// Does it look at scores of the context window?
    pub(crate) fn reads_context(&self) -> bool {
        self.alternatives.iter().flat_map(|alternative| &alternative.reads).any(|read| read.context)
    }
}

/// The sides of the top `||`, left to right.
fn split(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_OR => call.args.iter().flat_map(split).collect(),
        _ => vec![node],
    }
}

fn syntax_flaw(source: &str, errors: &cel::ParseErrors) -> Flaw {
    let Some(first) = errors.errors.first() else {
        return Flaw { character: 0, message: "not a CEL expression".into() };
    };
    let (line, column) =
        (usize::try_from(first.pos.0).unwrap_or(1).max(1), usize::try_from(first.pos.1).unwrap_or(1).max(1));
    let before: usize = source.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    Flaw { character: before + column - 1, message: format!("not a CEL expression: {}", first.msg) }
}

/// Reads a condition: which names it uses and which scores it looks at. A fault is a node id with a message.
struct Walk<'a> {
    constants: &'a Constants,
    scope: Vec<&'a str>,
    nesting: usize,
    reads: Vec<Read>,
    /// Maps that are indexed by a variable: score (`false`), context (`true`).
    dynamic: Vec<bool>,
    /// Strings that such a variable may stand for.
    names: Vec<String>,
    /// It names `actor`.
    reads_person: bool,
    /// It may read `actor.evasion`.
    reads_evasion: bool,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a IdedExpr) -> Result<(), (u64, String)> {
        match &node.expr {
            Expr::Ident(name) => self.ident(node.id, name),
            Expr::Select(select) => match self.variable(&select.operand) {
                Some(variable) => self.field(node.id, variable, &select.field),
                None => self.visit(&select.operand),
            },
            Expr::Call(call) => {
                if let (operators::INDEX, [map, key]) = (call.func_name.as_str(), call.args.as_slice())
                    && let Some(variable) = self.variable(map)
                {
                    return match &key.expr {
                        Expr::Literal(LiteralValue::String(name)) => self.field(node.id, variable, name.inner()),
                        _ => {
                            match variable {
                                "score" => self.dynamic.push(false),
                                "context" => self.dynamic.push(true),
                                // By whatever name comes out.
                                "actor" => (self.reads_person, self.reads_evasion) = (true, true),
                                _ => {}
                            }
                            self.visit(key)
                        }
                    };
                }
                call.target.iter().try_for_each(|target| self.visit(target))?;
                call.args.iter().try_for_each(|argument| self.visit(argument))
            }
            Expr::Comprehension(inner) => {
                self.visit(&inner.iter_range)?;
                self.nesting += 1;
                if self.nesting > MAX_NESTING {
                    return Err((
                        node.id,
                        format!("at most {MAX_NESTING} of `exists`, `all`, `map`, `filter` may be nested"),
                    ));
                }
                let depth = self.scope.len();
                self.scope.push(&inner.iter_var);
                self.scope.extend(inner.iter_var2.as_deref());
                self.scope.push(&inner.accu_var);
                for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                    self.visit(part)?;
                }
                self.scope.truncate(depth);
                self.nesting -= 1;
                Ok(())
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element)),
            Expr::Literal(LiteralValue::String(text)) => {
                self.names.push(text.inner().to_owned());
                Ok(())
            }
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(_) => Err((node.id, "a condition has no use for message types".into())),
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) -> Result<(), (u64, String)> {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key)?;
                self.visit(&entry.value)
            }
            EntryExpr::StructField(field) => self.visit(&field.value),
        }
    }

    /// The variable that `node` names, unless a comprehension's own name hides it.
    fn variable(&self, node: &'a IdedExpr) -> Option<&'a str> {
        match &node.expr {
            Expr::Ident(name) if VARIABLES.contains(&name.as_str()) && !self.scope.contains(&name.as_str()) => {
                Some(name)
            }
            _ => None,
        }
    }

    fn ident(&mut self, id: u64, name: &str) -> Result<(), (u64, String)> {
        let whole = name == "actor" && !self.scope.contains(&name);
        (self.reads_person, self.reads_evasion) = (self.reads_person || whole, self.reads_evasion || whole);
        if name.starts_with('@') || self.scope.contains(&name) || VARIABLES.contains(&name) {
            return Ok(());
        }
        Err((id, format!("unknown variable `{name}`: a condition knows {}", VARIABLES.join(", "))))
    }

    fn field(&mut self, id: u64, variable: &str, field: &str) -> Result<(), (u64, String)> {
        let known: Vec<&str> = match variable {
            "item" => ITEM_FIELDS.to_vec(),
            "actor" => {
                self.reads_person = true;
                self.reads_evasion |= field == "evasion";
                ACTOR_FIELDS.to_vec()
            }
            "thresholds" => self.constants.thresholds.keys().map(String::as_str).collect(),
            "labels" => self.constants.labels.keys().map(String::as_str).collect(),
            "list" => self.constants.list_names().collect(),
            _ => {
                self.reads.push(Read { context: variable == "context", label: field.to_owned() });
                return Ok(());
            }
        };
        if !known.contains(&field) {
            let known =
                if known.is_empty() { "it is empty".to_owned() } else { format!("there are {}", known.join(", ")) };
            return Err((id, format!("`{variable}` has no `{field}`: {known}")));
        }
        if variable == "list" {
            self.reads.push(Read { context: false, label: format!("{PREFIX}{field}") });
        }
        if let Some(labels) = self.constants.labels.get(field).filter(|_| variable == "labels") {
            self.names.extend(labels.iter().cloned());
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Read> {
        for context in self.dynamic {
            self.reads.extend(self.names.iter().map(|label| Read { context, label: label.clone() }));
        }
        self.reads.sort();
        self.reads.dedup();
        self.reads
    }
}

/// Runs every true-or-false part of a condition on made-up items, so that a wrong type or an unknown function is found
/// when the policy is loaded.
fn probe(node: &IdedExpr, reads: &[Read], constants: &Constants) -> Result<(), (u64, String)> {
    if let Expr::Call(call) = &node.expr {
        let parts = match call.func_name.as_str() {
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => Some(&call.args[..]),
            _ => None,
        };
        if let Some(parts) = parts {
            return parts.iter().try_for_each(|part| probe(part, reads, constants));
        }
    }
    for value in [0.0, 0.5, 1.0] {
        let of = |context: bool| {
            reads.iter().filter(move |read| read.context == context).map(|read| (read.label.as_str(), value))
        };
        let scores = Scores { alone: of(false).collect(), context: of(true).collect() };
        let item = ITEM_FIELDS.iter().map(|field| {
            let value = match *field {
                "kind" => Value::from("text"),
                "language" => Value::from("en"),
                "language_supported" => Value::Bool(true),
                _ => Value::Int(10),
            };
            ((*field).to_owned(), value)
        });
        let actor = ACTOR_FIELDS.iter().map(|field| {
            let value = if *field == "restricted" { Value::Bool(value > 0.0) } else { Value::Int(value as i64) };
            ((*field).to_owned(), value)
        });
        match Value::resolve(node, &constants.context(item.collect(), actor.collect(), &scores)) {
            Ok(Value::Bool(_)) => {}
            Ok(other) => {
                return Err((
                    node.id,
                    format!("must be true or false, but is {}: compare it with something", other.type_of()),
                ));
            }
            // These depend on the values, and at run time they mean: the rule does not fire.
            Err(
                ExecutionError::NoSuchKey(_)
                | ExecutionError::DivisionByZero(_)
                | ExecutionError::RemainderByZero(_)
                | ExecutionError::Overflow(..)
                | ExecutionError::IndexOutOfBounds(_),
            ) => {}
            Err(error) => return Err((node.id, error.to_string())),
        }
    }
    Ok(())
}
