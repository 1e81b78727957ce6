//! A canister's Candid interface, from the certified text of its metadata: which methods are queries, arguments encoded by
//! their types, replies decoded by theirs. The text is whatever the canister's author put there, so everything about it is
//! bounded: candid's own checks recurse once for each level of nesting and follow every alias.
//!
//! Nothing is asked here. `reader` gives it the stack that the bounds are made for.

use super::reply;
use candid::types::{Function, Type, TypeEnv, TypeInner};
use candid::{IDLArgs, IDLValue};
use candid_parser::syntax::{Dec, IDLProg, IDLType};
use candid_parser::token::{Token, Tokenizer};
use std::collections::BTreeMap;

/// The largest interface that is read. Those in use have some 100 KiB.
pub(super) const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Brackets, `opt` and `vec` inside one another.
const NESTING_MAX: usize = 100;

/// Types, brackets, `opt` and `vec` in all: as deep as candid may recurse along definitions that use one another.
const PARTS_MAX: usize = 50_000;

/// Definitions that are only another name, one after the other. Candid follows each chain from each of its links.
const ALIASES_MAX: usize = 32;

/// Definitions that one method may use: candid copies and compares them for each value it writes or reads.
const NEEDED_MAX: usize = 1000;

/// Longest piece of a library's own words.
const WORDS_MAX: usize = 160;

/// Why something cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) what: String,
    /// The one next action.
    pub(super) next: String,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: next.into(),
        }
    }
}

/// What a canister says it answers.
pub(super) struct Interface {
    env: TypeEnv,
    methods: Vec<(String, Type)>,
    /// The types of the argument of an install, when the service names them.
    init: Option<Vec<Type>>,
}

/// The types of one query.
pub(super) struct Signature {
    method: String,
    env: TypeEnv,
    arguments: Vec<Type>,
    results: Vec<Type>,
}

impl Interface {
    /// Reads the text of a `.did` file. Its service may have init arguments.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let unreadable = |why: &str| {
            Refusal::new(
                format!("the canister's Candid interface cannot be read: {why}"),
                "correct the metadata candid:service of the module, or probe an address (`url`)",
            )
        };
        if TEXT_BYTES_MAX < text.len() {
            return Err(unreadable("it has more than 1 MiB"));
        }
        check_size(text).map_err(unreadable)?;
        let program: IDLProg = text
            .parse()
            .map_err(|error: candid_parser::Error| unreadable(&short(&error.to_string())))?;
        check_definitions(&program).map_err(unreadable)?;
        let mut env = TypeEnv::new();
        let service = candid_parser::check_prog(&mut env, &program)
            .map_err(|error| unreadable(&short(&error.to_string())))?
            .ok_or_else(|| unreadable("it defines no service"))?;
        let methods = env
            .as_service(&service)
            .map_err(|error| unreadable(&short(&error.to_string())))?
            .to_vec();
        let init = match service.as_ref() {
            TypeInner::Class(arguments, _) => Some(arguments.clone()),
            _ => None,
        };
        Ok(Self { env, methods, init })
    }

    /// The types of the argument of an install or upgrade.
    pub(super) fn init(&self) -> Option<Signature> {
        Some(Signature {
            method: "the init arguments of its service".to_owned(),
            arguments: self.init.clone()?,
            env: self.env.clone(),
            results: Vec::new(),
        })
    }

    /// The types of a query, and of nothing else.
    pub(super) fn query(&self, method: &str) -> Result<Signature, Refusal> {
        let Some((_, kind)) = self.methods.iter().find(|(name, _)| name == method) else {
            return Err(self.no_such(method));
        };
        let function: &Function = self.env.as_func(kind).map_err(|error| {
            Refusal::new(
                format!(
                    "the type of {method} cannot be read: {}",
                    short(&error.to_string())
                ),
                "correct the metadata candid:service of the module",
            )
        })?;
        if !function.is_query() {
            return Err(Refusal::new(
                format!("{method} is an update method; a health check must not change state"),
                "name a query method of the canister",
            ));
        }
        let env = needed(&self.env, function);
        if NEEDED_MAX < env.0.len() {
            return Err(Refusal::new(
                format!("{method} uses more than {NEEDED_MAX} types"),
                "name a method with simpler types",
            ));
        }
        Ok(Signature {
            method: method.to_owned(),
            env,
            arguments: function.args.clone(),
            results: function.rets.clone(),
        })
    }

    fn no_such(&self, method: &str) -> Refusal {
        let nearest = self.methods.iter().map(|(name, _)| name).max_by(|a, b| {
            strsim::jaro_winkler(method, a).total_cmp(&strsim::jaro_winkler(method, b))
        });
        Refusal::new(
            format!("the canister's interface has no method {method}"),
            match nearest {
                Some(nearest) => format!("did you mean {}?", short(nearest)),
                None => "its interface has no methods at all; probe an address (`url`)".to_owned(),
            },
        )
    }
}

impl Signature {
    /// The arguments as the method takes them. Those that may be left out at the end may be left out.
    pub(super) fn encode(&self, mut values: IDLArgs) -> Result<Vec<u8>, Refusal> {
        let wrong = |why: String| {
            let types = self.arguments.iter().map(|kind| short(&kind.to_string()));
            let types: Vec<String> = types.collect();
            Refusal::new(
                format!("the arguments do not fit {}: {why}", self.method),
                format!("give `arguments` of the types ({})", types.join(", ")),
            )
        };
        let (given, taken) = (values.args.len(), self.arguments.len());
        let left_out = self.arguments.iter().skip(given);
        let may_be_left_out = left_out.clone().all(|kind| {
            self.env.trace_type(kind).is_ok_and(|kind| {
                matches!(
                    kind.as_ref(),
                    TypeInner::Opt(_) | TypeInner::Null | TypeInner::Reserved
                )
            })
        });
        if taken < given || !may_be_left_out {
            return Err(wrong(format!("found {given}, expected {taken}")));
        }
        values.args.extend(left_out.map(|_| IDLValue::Null));
        values
            .to_bytes_with_types(&self.env, &self.arguments)
            .map_err(|error| wrong(short(&error.to_string())))
    }

    /// The reply by the method's types, so that its fields have names.
    pub(super) fn decode(&self, reply: &[u8]) -> Result<IDLArgs, String> {
        let limits = reply::limits(reply.len());
        IDLArgs::from_bytes_with_types_with_config(reply, &self.env, &self.results, &limits)
            .map_err(|error| {
                format!(
                    "the reply is not what the interface says: {}",
                    short(&error.to_string())
                )
            })
    }
}

/// The first line of a text, bounded.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars()
        .filter(|c| !c.is_control())
        .take(WORDS_MAX)
        .collect()
}

/// Before anything recurses.
fn check_size(text: &str) -> Result<(), &'static str> {
    let (mut parts, mut nesting, mut run) = (0_usize, 0_usize, 0_usize);
    let mut outer: Vec<usize> = Vec::new();
    // A token that is none ends this; the parser says so.
    for (_, token, _) in Tokenizer::new(text).map_while(Result::ok) {
        match token {
            Token::Opt | Token::Vec => {
                (parts, nesting, run) = (parts + 1, nesting + 1, run + 1);
            }
            Token::LBrace | Token::LParen => {
                (parts, nesting) = (parts + 1, nesting + 1);
                outer.push(run);
                run = 0;
            }
            Token::RBrace | Token::RParen => {
                let Some(before) = outer.pop() else {
                    return Ok(());
                };
                nesting -= run + 1;
                run = before;
            }
            Token::Semi | Token::Comma | Token::Equals | Token::Arrow => {
                nesting -= run;
                run = 0;
            }
            Token::Type => parts += 1,
            _ => (),
        }
        if NESTING_MAX < nesting {
            return Err("its types are nested more than 100 levels deep");
        }
        if PARTS_MAX < parts {
            return Err("it has more than 50000 types");
        }
    }
    Ok(())
}

fn check_definitions(program: &IDLProg) -> Result<(), &'static str> {
    let mut aliases: BTreeMap<&str, &str> = BTreeMap::new();
    for definition in &program.decs {
        match definition {
            Dec::TypD(binding) => {
                if let IDLType::VarT(other) = &binding.typ {
                    aliases.insert(&binding.id, other);
                }
            }
            Dec::ImportType(_) | Dec::ImportServ(_) => {
                return Err("it imports another file, and a canister has only one");
            }
        }
    }
    for first in aliases.keys() {
        let chain = std::iter::successors(Some(first), |name| aliases.get(*name));
        if ALIASES_MAX < chain.take(ALIASES_MAX + 1).count() {
            return Err("it has a name for a name, more than 32 times over or for ever");
        }
    }
    Ok(())
}

/// The definitions that a method uses: decoding copies them all, for each reply.
fn needed(env: &TypeEnv, function: &Function) -> TypeEnv {
    let mut kept = TypeEnv::new();
    let mut waiting: Vec<&Type> = function.args.iter().chain(&function.rets).collect();
    while let Some(kind) = waiting.pop() {
        match kind.as_ref() {
            TypeInner::Var(name) => {
                if let Some(found) = env.0.get(name)
                    && !kept.0.contains_key(name)
                {
                    kept.0.insert(name.clone(), found.clone());
                    waiting.push(found);
                }
            }
            TypeInner::Opt(inner) | TypeInner::Vec(inner) => waiting.push(inner),
            TypeInner::Record(fields) | TypeInner::Variant(fields) => {
                waiting.extend(fields.iter().map(|field| &field.ty));
            }
            TypeInner::Func(function) => {
                waiting.extend(function.args.iter().chain(&function.rets));
            }
            TypeInner::Service(methods) => waiting.extend(methods.iter().map(|(_, kind)| kind)),
            TypeInner::Class(arguments, service) => {
                waiting.extend(arguments);
                waiting.push(service);
            }
            _ => (),
        }
    }
    kept
}

#[cfg(test)]
mod tests;
