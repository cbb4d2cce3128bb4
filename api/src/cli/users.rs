//! `chaperone users`: accounts of the review console, made where nobody can sign in yet.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use pipeline::{
    clock::Clock,
    item::TenantId,
    review::staff::{Profile, Role, User, check_login, check_password},
    store::{
        self,
        desk::{Desk, accounts::UserChange},
    },
};

use super::{
    Exit, Global,
    table::{Paint, one_line, rows},
};
use crate::{auth::DEFAULT_TENANT, password};

/// Arguments of `chaperone users`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    /// Whose accounts.
    #[arg(long, global = true, value_name = "TENANT", default_value = DEFAULT_TENANT)]
    tenant: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make an account.
    #[command(after_long_help = "\
Without --password-stdin a password is made and printed once: give it to them in person, they change it in the console.

Examples:
  chaperone users create ada --role admin
  chaperone users create mia --role reviewer --languages en,de
  printf %s \"$PASSWORD\" | chaperone users create ada --role admin --password-stdin")]
    Create {
        /// What they sign in with: a-z, 0-9, _ . - @ +
        login: String,
        /// What they may do: reviewer, lead, admin.
        #[arg(long, value_parser = role, default_value = "reviewer")]
        role: Role,
        /// What to call them.
        #[arg(long, default_value = "")]
        name: String,
        /// Languages that they read, separated by commas; all, when absent.
        #[arg(long, value_delimiter = ',')]
        languages: Vec<String>,
        /// Skills that queues may ask for, separated by commas.
        #[arg(long, value_delimiter = ',')]
        skills: Vec<String>,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account another password, turn its codes off, and end its sessions.
    #[command(after_long_help = "\
Examples:
  chaperone users reset ada
  printf %s \"$PASSWORD\" | chaperone users reset ada --password-stdin")]
    Reset {
        /// The login.
        login: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lock an account out, or let it in again.
    #[command(after_long_help = "\
Examples:
  chaperone users disable mia
  chaperone users disable mia --undo")]
    Disable {
        /// The login.
        login: String,
        /// Let it in again.
        #[arg(long)]
        undo: bool,
    },
    /// Let an admin into another tenant, or no longer.
    #[command(after_long_help = "\
The account stays in its own tenant (--tenant) and can go to the other one and back in the console. Both audits say so.

Examples:
  chaperone users let-in ada globex
  chaperone users let-in ada globex --undo")]
    LetIn {
        /// The login.
        login: String,
        /// The other tenant.
        into: String,
        /// No longer.
        #[arg(long)]
        undo: bool,
    },
    /// List accounts.
    #[command(after_long_help = "\
Examples:
  chaperone users list
  chaperone users list --tenant acme")]
    List,
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text).ok_or_else(|| "use `reviewer`, `lead` or `admin`".to_owned())
}

/// Who made it, in the audit.
const BY: &str = "command line";

/// Runs `chaperone users`.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let config = global.config()?;
    let store = store::connect(&config.store.url)
        .await
        .context("cannot open store.url: with `sqlite:`, stop the service first")?;
    let desk = Desk::new(store.tables(), Clock::system(), Default::default());
    let tenant: TenantId = args.tenant.as_str().into();
    let mut out = std::io::stdout();
    match args.verb {
        Verb::Create { login, role, name, languages, skills, password_stdin } => {
            check_login(&login)?;
            let (password, made) = new_password(&login, password_stdin)?;
            let profile = Profile { name, languages, skills, ..Profile::default() };
            let user = User { profile, ..desk.new_user(tenant, login, role) };
            let user = desk.create_user(user, password::hash(&password)?, BY).await?;
            writeln!(out, "made the account `{}` ({})", user.login, user.role.as_str())?;
            tell(&mut out, &password, made)?;
        }
        Verb::Reset { login, password_stdin } => {
            let (password, made) = new_password(&login, password_stdin)?;
            let change =
                UserChange { password: Some(password::hash(&password)?), totp: Some(None), ..UserChange::default() };
            desk.change_user(&tenant, &login, change, BY).await?;
            writeln!(out, "the account `{login}` has a new password; its sessions have ended")?;
            tell(&mut out, &password, made)?;
        }
        Verb::Disable { login, undo } => {
            let change = UserChange { disabled: Some(!undo), ..UserChange::default() };
            desk.change_user(&tenant, &login, change, BY).await?;
            writeln!(out, "the account `{login}` {}", if undo { "may sign in again" } else { "is locked out" })?;
        }
        Verb::LetIn { login, into, undo } => {
            let account = desk.account(&login).await?.filter(|account| account.user.tenant == tenant);
            let account = account.with_context(|| format!("there is no account `{login}` in `{tenant}`"))?;
            desk.let_in(&account.user, &into.as_str().into(), !undo, BY).await?;
            writeln!(
                out,
                "the account `{login}` {} `{into}`",
                if undo { "is no longer let into" } else { "may go to" }
            )?;
        }
        Verb::List => {
            let users = desk.users(&tenant).await?;
            if users.is_empty() {
                writeln!(out, "no accounts: `chaperone users create ada --role admin` makes the first")?;
                return Ok(Exit::Fine);
            }
            let lines: Vec<Vec<String>> = users
                .into_iter()
                .map(|user| {
                    let codes = if user.totp { "yes" } else { "no" };
                    let state = if user.disabled { "locked out" } else { "active" };
                    vec![
                        user.login,
                        user.role.as_str().into(),
                        one_line(&user.profile.name),
                        codes.into(),
                        state.into(),
                    ]
                })
                .collect();
            let heading = ["login", "role", "name", "codes", "state"];
            write!(out, "{}", rows(&heading, &lines, Paint::stdout()))?;
        }
    }
    Ok(Exit::Fine)
}

/// The password, and whether we made it.
fn new_password(login: &str, from_stdin: bool) -> Result<(String, bool)> {
    if !from_stdin {
        return Ok((password::token()?, true));
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("standard input cannot be read")?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("standard input holds no password: write `printf %s \"$PASSWORD\" | chaperone users …`");
    }
    check_password(&password, login)?;
    Ok((password, false))
}

fn tell(out: &mut impl std::io::Write, password: &str, made: bool) -> std::io::Result<()> {
    if made { writeln!(out, "password, shown this once: {password}") } else { Ok(()) }
}
