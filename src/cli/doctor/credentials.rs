//! Which credentials an output has and why; and what else is set but does not count, which is where hours are lost.
//! Pure, but for reading what is set.

use super::line::Line;
use crate::output::aws::credentials::{Found, Source, instance_metadata_is_off, told};
use std::time::UNIX_EPOCH;

/// What is set around this process that credentials may come from. Values are shown only where they are no secrets.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
    pub keys: (bool, bool),
    /// AWS_PROFILE.
    pub profile: Option<String>,
    /// The first of the shared files that is there.
    pub file: Option<String>,
    /// AWS_WEB_IDENTITY_TOKEN_FILE, and why it cannot be read.
    pub token: Option<(String, Option<String>)>,
    /// AWS_ROLE_ARN, of the token.
    pub role: Option<String>,
    /// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI.
    pub container: Option<String>,
    /// AWS_EC2_METADATA_DISABLED.
    pub no_instance: bool,
}

impl Around {
    /// As this process has it.
    pub fn of_process() -> Around {
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let [key, secret] = told::KEYS.map(|name| get(name).is_some());
        let [token, role] = told::WEB_IDENTITY.map(get);
        let file = told::shared_files(|name| std::env::var_os(name)).into_iter().find(|path| path.is_file());
        let token = token.map(|path| {
            let wrong = std::fs::File::open(&path).err().map(|error| error.to_string());
            (path, wrong)
        });
        Around {
            keys: (key, secret),
            profile: get(told::PROFILE),
            file: file.map(|path| path.display().to_string()),
            token,
            role,
            container: told::CONTAINER.into_iter().find_map(get),
            no_instance: instance_metadata_is_off(),
        }
    }

    /// What is set, in the order in which it counts: whose it is, and how it looks.
    fn set(&self) -> Vec<(Source, String)> {
        let mut set = Vec::new();
        match self.keys {
            (true, true) => set.push((Source::Environment, "AWS_ACCESS_KEY_ID".to_owned())),
            (true, false) => {
                set.push((Source::Environment, "AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY".to_owned()))
            }
            (false, true) => {
                set.push((Source::Environment, "AWS_SECRET_ACCESS_KEY without AWS_ACCESS_KEY_ID".to_owned()))
            }
            (false, false) => {}
        }
        match (&self.profile, &self.file) {
            (Some(profile), Some(file)) => set.push((Source::Profile, format!("AWS_PROFILE={profile} ({file})"))),
            (Some(profile), None) => set.push((Source::Profile, format!("AWS_PROFILE={profile} without a file"))),
            (None, Some(file)) => set.push((Source::Profile, file.clone())),
            (None, None) => {}
        }
        if let Some((path, wrong)) = &self.token {
            let role = self.role.as_ref().map_or(" without AWS_ROLE_ARN".to_owned(), |role| format!(" for {role}"));
            let wrong = wrong.as_ref().map_or(String::new(), |wrong| format!(", which cannot be read: {wrong}"));
            set.push((Source::WebIdentity, format!("AWS_WEB_IDENTITY_TOKEN_FILE={path}{role}{wrong}")));
        }
        if let Some(container) = &self.container {
            set.push((Source::Container, format!("AWS_CONTAINER_CREDENTIALS_*_URI={container}")));
        }
        set
    }
}

/// Of an output that has credentials.
pub fn line(of: &str, found: &Found, now: i64, around: &Around) -> Line {
    let mut say = format!("credentials: {}, key {}", found.source, found.key);
    if found.source == Source::WebIdentity
        && let Some(role) = &around.role
    {
        say.push_str(&format!(" of {role}"));
    }
    if let Some(role) = &found.role {
        say.push_str(&format!(", which assumed {role}"));
    }
    say.push_str(&match found.expires.and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
        Some(end) => format!(", {}", span(i64::try_from(end.as_secs()).unwrap_or(i64::MAX).saturating_sub(now))),
        None => ", without an end".to_owned(),
    });
    say.push_str(&format!(" ({})", found.why));
    let others: Vec<String> =
        around.set().into_iter().filter(|(of, _)| *of != found.source).map(|(_, set)| set).collect();
    if !others.is_empty() {
        say.push_str(&format!("; also set, not used: {}", others.join(", ")));
    }
    Line::ok(of, say)
}

fn span(seconds: i64) -> String {
    match seconds {
        ..=0 => "which have ended".to_owned(),
        1..120 => format!("good for {seconds} s"),
        120..7_200 => format!("good for {} min", seconds / 60),
        _ => format!("good for {} h", seconds / 3_600),
    }
}

/// Behind the reason why there are none: what there is.
pub fn there_is(around: &Around) -> String {
    let mut set: Vec<String> = around.set().into_iter().map(|(_, set)| set).collect();
    if set.is_empty() {
        set.push("nothing in the environment, no file".to_owned());
    }
    let instance = if around.no_instance { "switched off" } else { "not switched off" };
    format!("; there is: {}; instance metadata is {instance}", set.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: i64 = 1_795_342_500;

    fn irsa() -> Found {
        Found {
            source: Source::WebIdentity,
            why: "no keys are set".to_owned(),
            role: None,
            key: "ASIAX".to_owned(),
            expires: Some(UNIX_EPOCH + Duration::from_secs(NOW as u64 + 3_500)),
            region: "eu-west-1".into(),
        }
    }

    #[test]
    fn the_winner_is_told_with_what_lost() {
        let around = Around {
            token: Some(("/token".to_owned(), None)),
            role: Some("arn:aws:iam::1:role/logs".to_owned()),
            container: Some("http://169.254.170.23/v1".to_owned()),
            keys: (true, false),
            ..Around::default()
        };
        let line = line("o", &irsa(), NOW, &around);
        assert_eq!(
            line.say,
            "credentials: web identity token (IRSA), key ASIAX of arn:aws:iam::1:role/logs, good for 58 min (no keys are \
             set); also set, not used: AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY, \
             AWS_CONTAINER_CREDENTIALS_*_URI=http://169.254.170.23/v1"
        );
    }

    #[test]
    fn a_role_on_top_and_keys_without_an_end_are_told() {
        let role = Some("arn:aws:iam::2:role/other".to_owned());
        let found = Found { source: Source::Environment, role, expires: None, ..irsa() };
        let line = line("o", &found, NOW, &Around { keys: (true, true), ..Around::default() });
        let want =
            "credentials: environment variables, key ASIAX, which assumed arn:aws:iam::2:role/other, without an end";
        assert!(line.say.starts_with(want) && !line.say.contains("not used"), "{}", line.say);
    }

    #[test]
    fn what_there_is_is_told_where_nothing_was_found() {
        let none = "; there is: nothing in the environment, no file; instance metadata is not switched off";
        assert_eq!(there_is(&Around::default()), none);
        let wrong = Some("Permission denied".to_owned());
        let around = Around { token: Some(("/t".to_owned(), wrong)), no_instance: true, ..Around::default() };
        let said = there_is(&around);
        assert!(said.contains("/t without AWS_ROLE_ARN, which cannot be read: Permission denied"), "{said}");
        assert!(said.ends_with("instance metadata is switched off"), "{said}");
    }

    #[test]
    fn an_end_is_told_as_people_count() {
        let told = [-1, 5, 119, 120, 3_599, 7_200].map(span);
        let want =
            ["which have ended", "good for 5 s", "good for 119 s", "good for 2 min", "good for 59 min", "good for 2 h"];
        assert_eq!(told, want);
    }
}
