//! A scrape as a test reads it: samples by name and labels. Written apart from what writes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::http::get;

/// Samples of one scrape, in the Prometheus text format.
#[derive(Debug, Default)]
pub struct Scrape(Vec<Sample>);

#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Scrape {
    pub fn of(admin: SocketAddr) -> Scrape {
        let response = get(admin, "/metrics");
        assert_eq!(response.status, 200);
        Scrape::parse(&response.body)
    }

    pub fn parse(text: &str) -> Scrape {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Scrape(lines.map(Sample::parse).collect())
    }

    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// The sum of all samples of this name with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let with = |sample: &&Sample| {
            let has = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).is_some_and(|own| own == value)
            };
            sample.name == name && labels.iter().all(has)
        };
        let found: Vec<f64> = self
            .0
            .iter()
            .filter(with)
            .map(|sample| sample.value)
            .collect();
        assert!(!found.is_empty(), "no {name} with {labels:?}");
        found.iter().sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Sample {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("labels end")),
            None => (series, ""),
        };
        let labels = labels.split("\",").filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (key, value) = label.split_once("=\"").expect("a label");
            (key.to_owned(), value.trim_end_matches('"').to_owned())
        });
        Sample {
            name: name.to_owned(),
            labels: labels.collect(),
            value: value.parse().expect("a number"),
        }
    }
}
