//! The Pods of `deploy/kubernetes`: what they refer to exists, they may do no more than they must, and the run fits.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::Job,
        core::v1::{Container, Pod, PodTemplateSpec, Service},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde::de::DeserializeOwned;
use tokenstorm::{
    base::host::Limits,
    plan::{
        Plan,
        scale::{Host, Whole},
    },
    scenario::{self, Overrides},
};

use super::{
    kubernetes::{Document, documents, kustomization, word},
    path, text,
};

/// Sysctls that Kubernetes takes for safe, of those that matter here: the Pod's own, allowed without a word to the kubelet.
const SAFE_SYSCTLS: [&str; 3] = [
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_fin_timeout",
];

fn typed<T: DeserializeOwned>(document: &Document) -> T {
    serde_json::from_value(document.value.clone()).unwrap()
}

/// All Pods, by the name of what makes them.
fn pods() -> BTreeMap<String, PodTemplateSpec> {
    let mut pods = BTreeMap::new();
    for document in documents() {
        let template = match document.kind() {
            "Deployment" => typed::<Deployment>(&document).spec.unwrap().template,
            "Job" => typed::<Job>(&document).spec.unwrap().template,
            "Pod" => {
                let pod = typed::<Pod>(&document);
                PodTemplateSpec { metadata: Some(pod.metadata), spec: pod.spec }
            }
            _ => continue,
        };
        pods.insert(document.name().to_owned(), template);
    }
    assert_eq!(pods.len(), 4);
    pods
}

fn job(name: &str) -> k8s_openapi::api::batch::v1::JobSpec {
    let documents = documents();
    typed::<Job>(documents.iter().find(|document| document.name() == name).unwrap()).spec.unwrap()
}

fn labels(template: &PodTemplateSpec) -> BTreeMap<String, String> {
    template.metadata.clone().unwrap().labels.unwrap()
}

/// The only container of a Pod.
fn container(template: &PodTemplateSpec) -> Container {
    let containers = &template.spec.as_ref().unwrap().containers;
    assert_eq!(containers.len(), 1);
    containers[0].clone()
}

/// The arguments of the containers that run tokenstorm.
pub(crate) fn arguments() -> Vec<(String, Vec<String>)> {
    let all = pods().into_iter().map(|(name, template)| (name, container(&template)));
    let ours = all.filter(|(_, container)| container.image.as_deref() == Some("tokenstorm"));
    ours.map(|(name, container)| (name, container.args.unwrap())).collect()
}

/// What stands after an option.
fn value<'a>(arguments: &'a [String], option: &str) -> &'a str {
    let at = arguments.iter().position(|argument| argument == option);
    &arguments[at.unwrap_or_else(|| panic!("{option} is not in {arguments:?}")) + 1]
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let plain = selector.match_labels.iter().flatten();
    let sets = selector.match_expressions.iter().flatten();
    plain.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && sets.into_iter().all(|set| {
            assert_eq!(set.operator, "In", "no other is written here");
            let values = set.values.as_ref().unwrap();
            labels.get(&set.key).is_some_and(|label| values.contains(label))
        })
}

/// The keys of Secrets and `ConfigMap`s, by their kind and name.
fn kept() -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut kept = BTreeMap::new();
    for document in documents().iter().filter(|document| document.kind() == "Secret") {
        let keys = document.value["stringData"].as_object().unwrap().keys().cloned().collect();
        kept.insert(("Secret".to_owned(), document.name().to_owned()), keys);
    }
    for document in documents().iter().filter(|document| document.kind() == "ConfigMap") {
        let keys = document.value["data"].as_object().unwrap().keys().cloned().collect();
        kept.insert(("ConfigMap".to_owned(), document.name().to_owned()), keys);
    }
    for map in kustomization()["configMapGenerator"].as_array().unwrap() {
        let keys = map["files"].as_array().unwrap().iter().map(word).collect();
        kept.insert(("ConfigMap".to_owned(), word(&map["name"])), keys);
    }
    kept
}

#[test]
fn every_secret_config_map_and_claim_that_a_pod_names_is_there_with_its_keys() {
    let kept = kept();
    let keys = |kind: &str, name: &str| {
        kept.get(&(kind.to_owned(), name.to_owned()))
            .unwrap_or_else(|| panic!("there is no {kind} `{name}`"))
    };
    let documents = documents();
    let claims: Vec<&str> = documents
        .iter()
        .filter(|document| document.kind() == "PersistentVolumeClaim")
        .map(Document::name)
        .collect();
    let mut used = BTreeSet::new();
    for (name, template) in pods() {
        for variable in container(&template).env.into_iter().flatten() {
            let from = variable.value_from.unwrap().secret_key_ref.unwrap();
            assert!(keys("Secret", &from.name).contains(&from.key), "{name}: {}", from.key);
            used.insert(from.name);
        }
        for volume in template.spec.unwrap().volumes.unwrap() {
            if let Some(secret) = volume.secret {
                let secret_name = secret.secret_name.unwrap();
                for item in secret.items.into_iter().flatten() {
                    let known = keys("Secret", &secret_name);
                    assert!(known.contains(&item.key), "{name}: {}", item.key);
                }
                keys("Secret", &secret_name);
                used.insert(secret_name);
            } else if let Some(map) = volume.config_map {
                keys("ConfigMap", &map.name);
                used.insert(map.name);
            } else if let Some(claim) = volume.persistent_volume_claim {
                assert!(claims.contains(&claim.claim_name.as_str()), "{name}");
            } else {
                assert!(volume.empty_dir.unwrap().size_limit.is_some(), "{name}: {}", volume.name);
            }
        }
    }
    let named: BTreeSet<String> = kept.into_keys().map(|(_, name)| name).collect();
    assert_eq!(used, named, "what nobody uses is not made");
}

#[test]
fn every_mount_is_of_a_volume_and_every_volume_is_mounted() {
    for (name, template) in pods() {
        let volumes: BTreeSet<String> =
            template.spec.clone().unwrap().volumes.unwrap().into_iter().map(|it| it.name).collect();
        let mounted: BTreeSet<String> =
            container(&template).volume_mounts.unwrap().into_iter().map(|it| it.name).collect();
        assert_eq!(mounted, volumes, "{name}");
    }
}

#[test]
fn selectors_find_pods_and_the_service_leads_to_a_port_that_is_open() {
    let pods = pods();
    let found = |selector: &LabelSelector| -> Vec<String> {
        let has =
            |(_, template): &(&String, &PodTemplateSpec)| selects(selector, &labels(template));
        pods.iter().filter(has).map(|(name, _)| name.clone()).collect()
    };
    for document in documents() {
        match document.kind() {
            "Service" => {
                let spec = typed::<Service>(&document).spec.unwrap();
                let selector = LabelSelector { match_labels: spec.selector, ..Default::default() };
                assert_eq!(found(&selector), ["tokenstorm-nats"]);
                let open = container(&pods["tokenstorm-nats"]).ports.unwrap();
                let port = &spec.ports.unwrap()[0];
                let target = IntOrString::String(open[0].name.clone().unwrap());
                assert_eq!(
                    (port.target_port.as_ref(), open[0].container_port),
                    (Some(&target), 4222)
                );
                let conf = text("deploy/kubernetes/nats.conf");
                assert!(conf.contains("listen: 0.0.0.0:4222"));
                let probe = container(&pods["tokenstorm-nats"]).readiness_probe.unwrap();
                let asked = probe.http_get.unwrap();
                assert_eq!(asked.path.as_deref(), Some("/healthz"));
                assert_eq!(Some(asked.port), open[1].name.clone().map(IntOrString::String));
                assert!(conf.contains(&format!("http: 0.0.0.0:{}", open[1].container_port)));
            }
            "Deployment" => {
                let selector = typed::<Deployment>(&document).spec.unwrap().selector;
                assert_eq!(found(&selector), [document.name()]);
            }
            "NetworkPolicy" => {
                let selector = typed::<NetworkPolicy>(&document).spec.unwrap().pod_selector;
                let found = found(&selector.unwrap_or_default());
                assert!(!found.is_empty(), "{}", document.name());
            }
            _ => {}
        }
    }
    let agents = &pods["tokenstorm-agents"];
    let spread = agents.spec.clone().unwrap().topology_spread_constraints.unwrap();
    assert_eq!(spread[0].topology_key, "kubernetes.io/hostname");
    // Else a tainted node counts as one without agents, and no Pod may go to a node that has one already.
    assert_eq!(spread[0].node_taints_policy.as_deref(), Some("Honor"));
    assert!(selects(spread[0].label_selector.as_ref().unwrap(), &labels(agents)));
}

/// The Pods that may connect from or to where, by the policies that are not `deny-all`.
fn peers(policy: &NetworkPolicy) -> Vec<LabelSelector> {
    let spec = policy.spec.clone().unwrap();
    let from = spec.ingress.into_iter().flatten().flat_map(|rule| rule.from.unwrap());
    let to = spec.egress.into_iter().flatten().flat_map(|rule| rule.to.unwrap());
    from.chain(to)
        .filter(|peer| peer.namespace_selector.is_none())
        .map(|peer| peer.pod_selector.unwrap())
        .collect()
}

#[test]
fn nobody_may_connect_but_agents_and_the_coordinator_to_nats_and_agents_to_brokers() {
    let policies: BTreeMap<String, NetworkPolicy> = documents()
        .iter()
        .filter(|document| document.kind() == "NetworkPolicy")
        .map(|document| (document.name().to_owned(), typed(document)))
        .collect();
    let names: Vec<&str> = policies.keys().map(String::as_str).collect();
    let (deny, nats, to_nats, brokers) = (
        "deny-all",
        "nats-from-agents-and-coordinator",
        "agents-and-coordinator-to-nats",
        "agents-to-brokers",
    );
    assert_eq!(names, [to_nats, brokers, deny, nats]);
    let deny = policies[deny].spec.clone().unwrap();
    assert_eq!(deny.policy_types.unwrap(), ["Ingress", "Egress"]);
    assert!(deny.ingress.is_none() && deny.egress.is_none());
    assert_eq!(deny.pod_selector.unwrap_or_default(), LabelSelector::default());

    let pods = pods();
    let all = |selectors: &[LabelSelector]| -> Vec<&str> {
        let is_one = |template: &PodTemplateSpec| {
            selectors.iter().any(|selector| selects(selector, &labels(template)))
        };
        let found = pods.iter().filter(|(_, template)| is_one(template));
        found.map(|(name, _)| name.as_str()).collect()
    };
    let of = |name: &str| policies[name].spec.clone().unwrap().pod_selector.unwrap();
    let both = ["tokenstorm-agents", "tokenstorm-coordinator"];
    assert_eq!(all(&[of(nats)]), ["tokenstorm-nats"]);
    assert_eq!(all(&peers(&policies[nats])), both);
    assert_eq!(all(&[of(to_nats)]), both);
    assert_eq!(all(&peers(&policies[to_nats])), ["tokenstorm-nats"]);
    assert_eq!(all(&[of(brokers)]), ["tokenstorm-agents"]);
    // Outwards, and into a namespace that is not ours.
    assert!(peers(&policies[brokers]).is_empty());
    assert!(policies[brokers].spec.clone().unwrap().ingress.is_none());
}

#[test]
fn no_pod_may_do_more_than_it_must() {
    for (name, template) in pods() {
        let pod = template.spec.clone().unwrap();
        let of_pod = pod.security_context.unwrap();
        assert_eq!(of_pod.run_as_non_root, Some(true), "{name}");
        assert!(of_pod.run_as_user.is_some_and(|user| user > 0), "{name}");
        assert_eq!(of_pod.seccomp_profile.unwrap().type_, "RuntimeDefault", "{name}");
        assert_eq!(pod.automount_service_account_token, Some(false), "{name}");
        // The Service would put TOKENSTORM_NATS_PORT and others beside the variables that the program reads.
        assert_eq!(pod.enable_service_links, Some(false), "{name}");
        for shared in [pod.host_network, pod.host_pid, pod.host_ipc] {
            assert_eq!(shared, None, "{name}");
        }
        for sysctl in of_pod.sysctls.into_iter().flatten() {
            assert!(SAFE_SYSCTLS.contains(&sysctl.name.as_str()), "{name}: {}", sysctl.name);
        }
        let container = container(&template);
        let own = container.security_context.unwrap();
        assert_eq!(own.allow_privilege_escalation, Some(false), "{name}");
        assert_eq!(own.read_only_root_filesystem, Some(true), "{name}");
        assert_eq!(own.privileged, None, "{name}");
        let capabilities = own.capabilities.unwrap();
        assert_eq!((capabilities.drop.unwrap(), capabilities.add), (vec!["ALL".into()], None));
        let resources = container.resources.unwrap();
        let (requests, limits) = (resources.requests.unwrap(), resources.limits.unwrap());
        assert!(requests.contains_key("cpu") && limits.contains_key("memory"), "{name}");
        for variable in container.env.into_iter().flatten() {
            assert!(variable.value.is_none(), "{name}: {} comes from a Secret", variable.name);
        }
        // Passwords are variables: in arguments everybody on the node would see them.
        let arguments = container.args.unwrap_or_default().join(" ");
        for word in ["password", "token=", "--creds"] {
            assert!(!arguments.contains(word), "{name}: {arguments}");
        }
    }
    let labels = &documents()
        .into_iter()
        .find(|document| document.kind() == "Namespace")
        .map(|document| document.value["metadata"]["labels"].clone())
        .unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
}

#[test]
fn agents_are_as_many_as_the_coordinator_waits_for_and_none_comes_twice() {
    let (agents, coordinator) = (job("tokenstorm-agents"), job("tokenstorm-coordinator"));
    assert_eq!(agents.completion_mode.as_deref(), Some("Indexed"));
    assert_eq!(agents.completions, agents.parallelism);
    for job in [&agents, &coordinator] {
        assert_eq!(job.backoff_limit, Some(0));
        assert_eq!(job.template.spec.as_ref().unwrap().restart_policy.as_deref(), Some("Never"));
    }
    let arguments: BTreeMap<String, Vec<String>> = arguments().into_iter().collect();
    let (of_agent, of_run) =
        (&arguments["tokenstorm-agents"], &arguments["tokenstorm-coordinator"]);
    assert_eq!((of_agent[0].as_str(), of_run[0].as_str()), ("agent", "run"));
    assert_eq!(value(of_run, "--agents"), agents.completions.unwrap().to_string());
    for option in ["--nats", "--tls-ca"] {
        assert_eq!(value(of_agent, option), value(of_run, option), "{option}");
    }
    assert_eq!(value(of_agent, "--nats"), "nats://tokenstorm-nats:4222");
    assert!(of_agent.contains(&"--tls".into()) && of_run.contains(&"--tls".into()));
    let index_by_itself = !of_agent.contains(&"--index".into());
    assert!(index_by_itself, "it is JOB_COMPLETION_INDEX");
}

#[test]
fn files_that_are_named_are_mounted() {
    let pods = pods();
    let mounts = |name: &str| -> Vec<String> {
        let mounts = container(&pods[name]).volume_mounts.unwrap();
        mounts.into_iter().map(|mount| mount.mount_path).collect()
    };
    let is_mounted = |name: &str, file: &str| {
        let folder = file.rsplit_once('/').unwrap().0;
        assert!(mounts(name).iter().any(|mount| mount == folder), "{name}: {file}");
    };
    for (name, arguments) in arguments() {
        is_mounted(&name, value(&arguments, "--tls-ca"));
        // Agents and coordinator read it from the same place.
        is_mounted(&name, "/broker-ca/ca.crt");
        if arguments[0] == "run" {
            is_mounted(&name, &arguments[1]);
            is_mounted(&name, "/keys/signing.pem");
        }
        assert!(mounts(&name).contains(&"/results".to_owned()));
        assert_eq!(container(&pods[&name]).working_dir.as_deref(), Some("/"), "results/ is below");
    }
    let conf = text("deploy/kubernetes/nats.conf");
    let files = conf.lines().filter_map(|line| line.split_once("_file: ")).map(|(_, file)| file);
    for file in files {
        is_mounted("tokenstorm-nats", file.trim_matches('"'));
    }
    let nats = container(&pods["tokenstorm-nats"]);
    is_mounted("tokenstorm-nats", &nats.args.unwrap()[1]);
    let variables: Vec<String> = nats.env.unwrap().into_iter().map(|env| env.name).collect();
    for variable in conf.split('$').skip(1).map(|rest| rest.split_whitespace().next().unwrap()) {
        assert!(variables.iter().any(|known| known == variable), "{variable}");
    }
    assert!(!conf.contains("jetstream"), "nothing is to be kept");
}

#[test]
fn the_scenario_can_be_planned_where_nothing_of_its_pods_is_and_the_plan_says_so() {
    let plan = std::process::Command::new(env!("CARGO_BIN_EXE_tokenstorm"))
        .arg("plan")
        .arg(path("deploy/kubernetes/scenario.toml"))
        .args(["--agents", "100"])
        .output()
        .unwrap();
    let said = String::from_utf8(plan.stdout).unwrap();
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    for note in [
        "note: `keys.main.private_key` names `/keys/signing.pem`, which is not here",
        "note: `target.tls.ca` names `/broker-ca/ca.crt`, which is not on this host",
        "note: `mqtts://broker.mqtt.svc:8883` is not on this host: a run needs `--authorized`",
    ] {
        assert!(said.contains(note), "{note}\n{said}");
    }
}

#[test]
fn the_scenario_can_be_planned_and_fits_the_agents() {
    let key = path("tests/keys/ec256.pkcs8.pem");
    assert!(text("deploy/kubernetes/scenario.toml").contains("ca = \"/broker-ca/ca.crt\""));
    let ca = tempfile::NamedTempFile::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["broker".to_owned()]).unwrap();
    std::fs::write(ca.path(), made.cert.pem()).unwrap();
    let overrides = Overrides {
        set: vec![
            format!("keys.main.private_key={}", key.display()),
            format!("target.tls.ca={}", ca.path().display()),
        ],
        authorized: true,
        ..Overrides::default()
    };
    let loaded = scenario::load(&path("deploy/kubernetes/scenario.toml"), &overrides).unwrap();
    // As a container has it: the descriptors of containerd's own default, the ports that the sysctl gives.
    let limits = Limits { descriptors: 1_048_576, ports: 1024..=65_535, cpus: 2 };
    let plan = Plan::unchecked(&loaded, &limits).unwrap();
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let agents = job("tokenstorm-agents").completions.unwrap() as u64;
    let host = Host::like_this(&plan, &limits, Some(2 << 30));
    for share in Whole::of(&plan).shares(&host, agents) {
        assert!(share.agents.is_some_and(|needed| needed <= agents), "{share:?}");
    }
}
