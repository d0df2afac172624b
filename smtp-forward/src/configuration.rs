//! The configuration file: which target of it is meant, what the command line changes about that, and the plan it makes.

use std::{collections::HashSet, fmt::Write as _, path::Path, sync::Arc};

use serde::Serialize;
use smtp_config::{
    loader::System,
    module::{self, Block, Configuration, Options, SelectError},
    settings::{Settings, Tls},
};
use smtp_proto::{Plan, config::Protocol};

use crate::{
    certificates, check,
    cli::{self, Format},
    exit::{Failure, Status},
    hostname, plan,
    report::{diagnose, printable},
};

/// The target that was chosen in a configuration.
#[derive(Debug)]
pub(crate) struct Configured {
    block: Block,
    /// What people call it.
    title: String,
}

impl Configured {
    /// The target that `--config` and `--use` choose, with what else the command line says; `None`: there is no `--config`.
    pub(crate) fn read(connect: &cli::Connect) -> Result<Option<Self>, Failure> {
        let Some(path) = &connect.config else { return Ok(None) };
        let configuration = load(path, connect, true)?;
        let block = select(&configuration, path, connect.use_block.as_deref())?;
        let mut configured = Self { block: Block::clone(block), title: title(&configuration, block, path) };
        configured.override_by(connect);
        Ok(Some(configured))
    }

    fn override_by(&mut self, connect: &cli::Connect) {
        let settings = &mut self.block.settings;
        if let Some(name) = &connect.hostname {
            settings.hostname = Some(name.clone());
        }
        settings.connect_timeout = connect.connect_timeout.unwrap_or(settings.connect_timeout);
        settings.submission_timeout = connect.submission_timeout.unwrap_or(settings.submission_timeout);
        if let Some(limit) = connect.command_timeout {
            settings.greeting_timeout = limit;
            settings.command_timeout = limit;
        }
    }

    /// M7.
    pub(crate) const fn is_verbose(&self) -> bool {
        self.block.settings.debug
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// What the target is told, to be changed before there is a plan.
    pub(crate) const fn settings(&mut self) -> &mut Settings {
        &mut self.block.settings
    }

    /// Reads the files that the configuration names, and makes the plan. Warnings go to standard error.
    pub(crate) fn plan(&self, transcript: bool) -> Result<Plan, Failure> {
        let (mut plan, warnings) =
            self.block.plan(&System, &tls()).map_err(|wrong| Failure::diagnosed(&wrong))?;
        diagnose(&warnings);
        plan::for_each_target(&mut plan, |config| config.transcript |= transcript);
        Ok(plan)
    }
}

fn tls() -> Tls<'static> {
    Tls::new(certificates::provider(), &certificates::platform_roots)
}

/// Reads it; warnings go to standard error. `is_for_use`: where it is wrong, the files it names are looked at as well.
fn load(path: &Path, connect: &cli::Connect, is_for_use: bool) -> Result<Configuration, Failure> {
    let mut options = Options::default();
    // A file of targets alone need not name the machine: `send` knows its name without a file, too.
    options.hostname = Some(connect.hostname.clone().unwrap_or_else(hostname::own));
    let configuration = match is_for_use {
        true => module::load_telling_all(&System, path, &options, &tls()),
        false => module::load(&System, path, &options),
    };
    let configuration = configuration.map_err(|wrong| Failure::diagnosed(&wrong))?;
    diagnose(&configuration.warnings);
    Ok(configuration)
}

fn select<'a>(
    configuration: &'a Configuration,
    path: &Path,
    name: Option<&str>,
) -> Result<&'a Arc<Block>, Failure> {
    configuration.select(name).map_err(|error| {
        let advice = match &error {
            SelectError::Several { known, .. } | SelectError::Unknown { known, .. } if !known.is_empty() => {
                " (choose one by --use NAME)"
            }
            _ => "",
        };
        Failure::config(format!("{}: {error}{advice}", path.display()))
    })
}

const fn module_of(settings: &Settings) -> &'static str {
    match settings.protocol {
        Protocol::Smtp => "target.smtp",
        Protocol::Lmtp => "target.lmtp",
    }
}

/// The names that somebody chose: a block without any is called after its module (M4).
fn chosen<'a>(names: &'a [String], module: &str) -> &'a [String] {
    if names.iter().any(|name| name != module) { names } else { &[] }
}

/// A module with names, if there are any.
fn with_names(module: &str, names: &[String]) -> String {
    std::iter::once(module)
        .chain(chosen(names, module).iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `mail.conf: target.smtp outbound`, or where the `deliver_to` stands that has no name.
fn title(configuration: &Configuration, block: &Arc<Block>, path: &Path) -> String {
    let module = module_of(&block.settings);
    let named = configuration.named.iter().find(|named| Arc::ptr_eq(&named.block, block));
    let delivery = configuration.deliveries.iter().find(|delivery| Arc::ptr_eq(&delivery.block, block));
    match (named, delivery) {
        (Some(named), _) => format!("{}: {}", path.display(), with_names(module, &named.names)),
        (None, Some(delivery)) => format!("{}: deliver_to {module}", delivery.span),
        (None, None) => format!("{}: {module}", path.display()),
    }
}

/// A target, as `check --syntax` tells programs about it. Keys and their order are a contract.
#[derive(Serialize)]
struct Parsed<'a> {
    names: &'a [String],
    module: &'static str,
    targets: Vec<String>,
    /// `deliver_to` leads there.
    delivered_to: bool,
}

/// `check --syntax`: the configuration is read, and nobody is connected to.
pub(crate) fn syntax(args: &cli::Check) -> Result<Status, Failure> {
    let Some(path) = &args.connect.config else { return Err(Failure::usage("--syntax needs --config FILE")) };
    let configuration = load(path, &args.connect, false)?;
    if let Some(name) = &args.connect.use_block {
        select(&configuration, path, Some(name))?;
    }
    let targets = parsed(&configuration);
    let text = match args.format {
        Format::Json => {
            let lines: Result<Vec<_>, _> = targets.iter().map(serde_json::to_string).collect();
            lines.map(|lines| lines.iter().map(|line| format!("{line}\n")).collect()).unwrap_or_default()
        }
        Format::Text => describe(path, &targets),
    };
    check::write(&text)?;
    Ok(Status::Success)
}

/// Every target once: those with names, then those of `deliver_to` lines.
fn parsed(configuration: &Configuration) -> Vec<Parsed<'_>> {
    let delivered: HashSet<_> = configuration.deliveries.iter().map(|it| Arc::as_ptr(&it.block)).collect();
    let has_name: HashSet<_> = configuration.named.iter().map(|it| Arc::as_ptr(&it.block)).collect();
    let named = configuration.named.iter().map(|named| (named.names.as_slice(), &named.block));
    let own = configuration
        .deliveries
        .iter()
        .map(|it| &it.block)
        .filter(|block| !has_name.contains(&Arc::as_ptr(block)));
    named
        .chain(own.map(|block| (&[][..], block)))
        .map(|(names, block)| Parsed {
            names,
            module: module_of(&block.settings),
            targets: block.settings.targets.iter().map(ToString::to_string).collect(),
            delivered_to: delivered.contains(&Arc::as_ptr(block)),
        })
        .collect()
}

fn describe(path: &Path, targets: &[Parsed<'_>]) -> String {
    let count = match targets.len() {
        0 => "no target".to_owned(),
        1 => "1 target".to_owned(),
        many => format!("{many} targets"),
    };
    let mut out = format!("{}: the syntax is right; {count}\n", printable(&path.display().to_string()));
    for target in targets {
        let line = format!("{}: {}", with_names(target.module, target.names), target.targets.join(", "));
        let arrow = if target.delivered_to { "  (deliver_to leads here)" } else { "" };
        let _ = writeln!(out, "  {}{arrow}", printable(&line));
    }
    out
}
