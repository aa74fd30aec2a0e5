//! The admin port: free, or the running agent's own.

use super::line::Line;
use crate::admin::server::Server;
use crate::output::http::Http;
use std::net::SocketAddr;
use std::time::Duration;

const OF: &str = "admin";

/// Whether it can be had; if not because somebody has it, who that is.
pub async fn look(address: Option<SocketAddr>) -> Option<Line> {
    let address = address?;
    let error = match Server::bind(address) {
        Ok(_) => return Some(Line::ok(OF, format!("{address} is free"))),
        Err(error) => error,
    };
    let mut at = address;
    if at.ip().is_unspecified() {
        at.set_ip(if at.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let answered = if error.in_use() { ask(at).await } else { None };
    Some(match answered {
        Some(true) => Line::ok(OF, format!("the running agent answers at {address}")),
        Some(false) => {
            let say =
                format!("another program answers at {address}: choose another port with `admin: {{listen: \"...\"}}`");
            Line::fail(OF, say)
        }
        None => Line::fail(OF, error.to_string().trim_start_matches("admin: ")),
    })
}

/// Whether an agent of ours answers; nothing where nobody does.
async fn ask(at: SocketAddr) -> Option<bool> {
    let http = Http::new(None).ok()?;
    let request = http::Request::get(format!("http://{at}/metrics")).body(Vec::new()).ok()?;
    match http.send(request, Duration::from_secs(3)).await {
        Ok(answer) => {
            let ours = String::from_utf8_lossy(&answer.body).contains("tailrace_");
            Some(answer.status == 200 && ours)
        }
        Err(trouble) if trouble.never_sent => None,
        Err(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade;
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_not_this_hosts_is_told_from_one_that_somebody_has() {
        let at = |address: &str| address.parse().ok();
        assert_eq!(look(at("127.0.0.1:0")).await.map(|line| line.grade), Some(Grade::Ok));
        let elsewhere = look(at("192.0.2.1:9780")).await.unwrap();
        assert!(elsewhere.grade == Grade::Fail && elsewhere.say.contains("no such address"), "{}", elsewhere.say);
        assert_eq!(look(None).await, None);
    }
}
