"""Everything that kfp.kubernetes sets on a task, and references that cross groups."""
from typing import Dict, List, NamedTuple

from kfp import dsl, kubernetes


@dsl.component
def work(x: str = ""):
    pass


@dsl.component
def text() -> str:
    return "1"


@dsl.component
def words() -> List[str]:
    return []


@dsl.component
def struct() -> dict:
    return {}


@dsl.component
def two(a: dsl.OutputPath(str), b: dsl.OutputPath(str)):
    pass


@dsl.pipeline
def secrets(name: str):
    task = work()
    kubernetes.use_secret_as_env(task, "mine", {"password": "PASSWORD", "user": "USER"})
    kubernetes.use_secret_as_env(task, secret_name=name, secret_key_to_env={"a": "A"}, optional=True)
    kubernetes.use_secret_as_env(task, text().output, {})
    kubernetes.use_secret_as_volume(task, "mine", "/mnt/secret")
    kubernetes.use_secret_as_volume(task, name, mount_path="/mnt/b", optional=True)
    kubernetes.use_secret_as_volume(work(), two().outputs["b"], "/mnt/c")
    kubernetes.use_secret_as_volume(work(), "", "")


@dsl.pipeline
def config_maps(name: str):
    task = work()
    kubernetes.use_config_map_as_env(task, "mine", {"password": "PASSWORD", "user": "USER"})
    kubernetes.use_config_map_as_env(task, config_map_name=name, config_map_key_to_env={"a": "A"}, optional=True)
    kubernetes.use_config_map_as_volume(task, "mine", "/mnt/map")
    kubernetes.use_config_map_as_volume(task, text().output, mount_path="/mnt/b", optional=True)


@dsl.pipeline
def claims(name: str = "data", size: str = "1Gi"):
    one = kubernetes.CreatePVC(
        pvc_name_suffix="-mine", access_modes=["ReadWriteOnce"], size="5Gi", storage_class_name="standard"
    )
    other = kubernetes.CreatePVC(
        pvc_name=name,
        access_modes=["ReadWriteMany", "ReadOnlyMany"],
        size=size,
        volume_name="v",
        annotations={"a": "b"},
        data_source={"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"},
    ).after(one)
    task = kubernetes.mount_pvc(work(), pvc_name=one.outputs["name"], mount_path="/data")
    kubernetes.mount_pvc(task, other.output, "/other", sub_path="a/b")
    kubernetes.mount_pvc(task, name, "/named")
    kubernetes.mount_pvc(task, "known", "/known")
    kubernetes.DeletePVC(pvc_name=one.outputs["name"]).after(task)
    kubernetes.DeletePVC(pvc_name="known").set_caching_options(False)


created = kubernetes.CreatePVC
deleted = kubernetes.DeletePVC


@dsl.pipeline
def volumes():
    task = work()
    kubernetes.add_ephemeral_volume(task, "scratch", "/scratch", ["ReadWriteOnce"], "5Gi")
    kubernetes.add_ephemeral_volume(
        task,
        volume_name="fast",
        mount_path="/fast",
        access_modes=["ReadWriteOnce", "ReadWriteMany"],
        size="1Ti",
        storage_class_name="ssd",
        labels={"l": "1"},
        annotations={"a": "2"},
    )
    kubernetes.add_ephemeral_volume(task, "x", "/x", [], "", storage_class_name="", labels={"only": "labels"})
    kubernetes.empty_dir_mount(task, "empty", "/empty")
    kubernetes.empty_dir_mount(task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit="1Gi")
    kubernetes.empty_dir_mount(task, "odd", "/odd", medium="", size_limit="")


@dsl.pipeline
def scheduling(selector: dict, toleration: dict, tolerations: list, affinity: dict):
    task = work()
    kubernetes.add_node_selector(task, "disk", "ssd")
    kubernetes.add_node_selector(task, label_key="zone", label_value="a")
    kubernetes.add_node_selector(task, "disk", "nvme")
    kubernetes.add_node_selector_json(work(), {"disk": "ssd", "n": "1"})
    kubernetes.add_node_selector_json(work(), selector)
    kubernetes.add_node_selector_json(kubernetes.add_node_selector_json(work(), selector), struct().output)
    kubernetes.add_toleration(task)
    kubernetes.add_toleration(task, key="k", operator="Equal", value="v", effect="NoSchedule")
    kubernetes.add_toleration(task, "k", "Exists", effect="NoExecute", toleration_seconds=60)
    kubernetes.add_toleration(task, "k", toleration_seconds=0)
    kubernetes.add_toleration_json(task, {"key": "k", "operator": "Exists", "toleration_seconds": 5})
    kubernetes.add_toleration_json(task, [{"key": "a", "value": "b", "other": "ignored"}, {"effect": "NoExecute"}])
    kubernetes.add_toleration_json(task, [])
    kubernetes.add_toleration_json(task, toleration)
    kubernetes.add_toleration_json(task, tolerations)
    kubernetes.add_toleration_json(task, words().output)
    kubernetes.add_node_affinity(task)
    kubernetes.add_node_affinity(task, match_expressions=[{"key": "a", "operator": "In", "values": ["x", "y"]}])
    kubernetes.add_node_affinity(
        task, match_fields=[{"key": "metadata.name", "operator": "Exists"}, {"key": "b", "operator": "Gt", "values": ["1"]}], weight=50
    )
    kubernetes.add_node_affinity_json(task, affinity)
    kubernetes.add_node_affinity_json(
        task,
        {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}],
        },
    )
    kubernetes.add_node_affinity_json(work(), {"required_during_scheduling_ignored_during_execution": {}})
    kubernetes.add_node_affinity_json(work(), struct().output)


@dsl.pipeline
def pods(name: str):
    task = work()
    kubernetes.add_pod_label(task, "app", "mine")
    kubernetes.add_pod_label(task, label_key="empty", label_value="")
    kubernetes.add_pod_label(task, "app", "yours")
    kubernetes.add_pod_annotation(task, "run_id", "123456")
    kubernetes.add_pod_annotation(task, annotation_key="a", annotation_value="b")
    kubernetes.set_image_pull_secrets(task, ["one", "two"])
    kubernetes.set_image_pull_secrets(task, secret_names=[name, text().output])
    kubernetes.set_image_pull_secrets(work(), [])
    kubernetes.set_image_pull_policy(task, "Never")
    kubernetes.set_image_pull_policy(task, policy="Always")
    kubernetes.set_timeout(task, 20)
    kubernetes.set_timeout(work(), seconds=0)
    kubernetes.set_timeout(kubernetes.set_timeout(work(), 10), 0)
    kubernetes.use_field_path_as_env(task, env_name="POD", field_path="metadata.name")
    kubernetes.use_field_path_as_env(task, "UID", "metadata.uid")
    kubernetes.set_security_context(task, run_as_user=65534, run_as_group=0)
    kubernetes.set_security_context(task, run_as_non_root=True)
    kubernetes.set_security_context(work(), 0, 1, False)
    kubernetes.set_timeout(work().set_cpu_limit("1").set_env_variable("A", "b"), 5).set_retry(2)


@dsl.pipeline
def across_groups(name: str, flag: str = "x", items: List[str] = ["a"]):
    made = kubernetes.CreatePVC(access_modes=["ReadWriteOnce"], size="5Gi")
    secret = text()
    with dsl.If(flag == "x"):
        task = kubernetes.mount_pvc(work(), made.outputs["name"], "/data")
        kubernetes.use_secret_as_env(task, name, {"a": "A"})
        with dsl.ParallelFor(items) as item:
            kubernetes.use_secret_as_env(work(x=item), item, {"a": "A"})
            inner = kubernetes.mount_pvc(work(), made.outputs["name"], "/data")
            kubernetes.use_config_map_as_volume(inner, secret.output, "/secret")
            kubernetes.use_config_map_as_volume(inner, name, "/named")
            local = text()
            kubernetes.use_secret_as_volume(inner, local.output, "/local")
            with dsl.If(item == "a"):
                kubernetes.use_secret_as_volume(work(), local.output, "/local")
                kubernetes.use_secret_as_volume(work(), item, "/item")
    with dsl.Else():
        kubernetes.set_image_pull_secrets(work(), [secret.output, name])


@dsl.pipeline
def in_loops(rows: List[Dict[str, str]]):
    made = words()
    with dsl.ParallelFor(["a", "b"], parallelism=2) as item:
        kubernetes.use_secret_as_env(work(), item, {"a": "A"})
        with dsl.ParallelFor(["c"]) as other:
            task = kubernetes.use_secret_as_env(work(), item, {"a": "A"})
            kubernetes.mount_pvc(task, other, "/other")
    with dsl.ParallelFor(made.output) as item:
        kubernetes.mount_pvc(work(), item, "/item")
        with dsl.If(item == "x"):
            kubernetes.mount_pvc(work(), item, "/item")


@dsl.pipeline
def inner(name: str, size: str = "1Gi") -> str:
    made = kubernetes.CreatePVC(access_modes=["ReadWriteOnce"], size=size)
    task = kubernetes.mount_pvc(work(), made.outputs["name"], "/data")
    kubernetes.use_secret_as_env(task, name, {"a": "A"})
    with dsl.If(name == "a"):
        kubernetes.use_secret_as_env(work(), name, {"a": "A"})
    return text().output


@dsl.pipeline
def inner_pipelines(name: str):
    first = inner(name=name)
    second = inner(name=first.output, size="3Gi")
    task = kubernetes.use_secret_as_volume(work(), second.output, "/s")
    with dsl.If(name == "x"):
        third = inner(name=name)
        kubernetes.use_secret_as_volume(work(), third.output, "/s")
        kubernetes.use_secret_as_volume(work(), first.output, "/s")


@dsl.pipeline
def exit_tasks(name: str):
    cleanup = kubernetes.use_secret_as_env(work(x=name), name, {"a": "A"})
    kubernetes.set_timeout(cleanup, 10)
    with dsl.ExitHandler(cleanup):
        task = text()
        kubernetes.use_secret_as_volume(work(), task.output, "/s")
        kubernetes.use_secret_as_volume(work(), name, "/s")


@dsl.component(task_config_passthroughs=[dsl.TaskConfigField.KUBERNETES_VOLUMES, dsl.TaskConfigField.KUBERNETES_AFFINITY])
def passes(config: dsl.TaskConfig):
    pass


@dsl.pipeline
def passthroughs(name: str):
    task = kubernetes.mount_pvc(passes(), name, "/data")
    kubernetes.add_node_affinity(task, [{"key": "a", "operator": "Exists"}])


@dsl.pipeline
def by_hand():
    work().platform_config["kubernetes"] = {"podMetadata": {"labels": {"a": "b"}}}
    work().platform_config["elsewhere"] = {"deep": [{"nested": 1}], "text": "x"}


def refused(setting):
    @dsl.pipeline
    def flow(name: str = "n", number: int = 1):
        setting(work(), name)

    return flow


def refuse_passthrough_not_listed():
    return refused(lambda task, name: kubernetes.add_toleration(passes(), "k"))


def refuse_selector_passthrough_not_listed():
    return refused(lambda task, name: kubernetes.add_node_selector(passes(), "k", "v"))


def refuse_settings_of_a_pipeline():
    return refused(lambda task, name: kubernetes.set_timeout(inner(name="x"), 5))


def refuse_pull_policy():
    return refused(lambda task, name: kubernetes.set_image_pull_policy(task, "Sometimes"))


def refuse_negative_timeout():
    return refused(lambda task, name: kubernetes.set_timeout(task, -1))


def refuse_timeout_in_fractions():
    return refused(lambda task, name: kubernetes.set_timeout(task, 1.5))


def refuse_timeout_as_text():
    return refused(lambda task, name: kubernetes.set_timeout(task, "5"))


def refuse_secret_that_is_a_number():
    return refused(lambda task, name: kubernetes.use_secret_as_env(task, 5, {"a": "A"}))


def refuse_claim_that_is_a_number():
    return refused(lambda task, name: kubernetes.mount_pvc(task, 5, "/x"))


def refuse_claim_that_is_none():
    return refused(lambda task, name: kubernetes.mount_pvc(task, None, "/x"))


def refuse_mount_path_of_number():
    return refused(lambda task, name: kubernetes.use_secret_as_volume(task, "s", 5))


def refuse_mount_path_known_later():
    return refused(lambda task, name: kubernetes.use_secret_as_volume(task, "s", name))


def refuse_label_known_later():
    return refused(lambda task, name: kubernetes.add_pod_label(task, "k", name))


def refuse_label_of_none():
    return refused(lambda task, name: kubernetes.add_pod_label(task, "k", None))


def refuse_empty_security_context():
    return refused(lambda task, name: kubernetes.set_security_context(task))


def refuse_user_of_bool():
    return refused(lambda task, name: kubernetes.set_security_context(task, run_as_user=True))


def refuse_group_of_bool():
    return refused(lambda task, name: kubernetes.set_security_context(task, run_as_group=False))


def refuse_negative_user():
    return refused(lambda task, name: kubernetes.set_security_context(task, run_as_user=-1))


def refuse_non_root_of_text():
    return refused(lambda task, name: kubernetes.set_security_context(task, run_as_non_root="yes"))


def refuse_affinity_operator():
    return refused(lambda task, name: kubernetes.add_node_affinity(task, [{"key": "a", "operator": "Near"}]))


def refuse_affinity_without_key():
    return refused(lambda task, name: kubernetes.add_node_affinity(task, [{"operator": "In"}]))


def refuse_affinity_without_operator():
    return refused(lambda task, name: kubernetes.add_node_affinity(task, match_fields=[{"key": "a"}]))


def refuse_affinity_weight():
    return refused(lambda task, name: kubernetes.add_node_affinity(task, weight=0))


def refuse_affinity_json():
    return refused(lambda task, name: kubernetes.add_node_affinity_json(task, {"requiredDuring": {}}))


def refuse_affinity_json_of_text():
    return refused(lambda task, name: kubernetes.add_node_affinity_json(task, [1]))


def refuse_toleration_json_of_text():
    return refused(lambda task, name: kubernetes.add_toleration_json(task, "k"))


def refuse_artifact_as_name():
    @dsl.component
    def art(out: dsl.Output[dsl.Dataset]):
        pass

    return refused(lambda task, name: kubernetes.use_secret_as_env(task, art().output, {}))


def refuse_output_out_of_a_condition():
    @dsl.pipeline
    def flow(name: str):
        with dsl.If(name == "x"):
            made = text()
        kubernetes.use_secret_as_env(work(), made.output, {"a": "A"})

    return flow


def refuse_output_out_of_a_loop():
    @dsl.pipeline
    def flow(name: str):
        with dsl.ParallelFor(["a"]):
            made = text()
        kubernetes.use_secret_as_env(work(), made.output, {"a": "A"})

    return flow


def refuse_collected():
    @dsl.pipeline
    def flow(name: str):
        with dsl.ParallelFor(["a"]):
            made = text()
        kubernetes.add_toleration_json(work(), dsl.Collected(made.output))

    return flow


def refuse_one_of():
    @dsl.pipeline
    def flow(name: str):
        with dsl.If(name == "x"):
            one = text()
        with dsl.Else():
            other = text()
        kubernetes.use_secret_as_env(work(), dsl.OneOf(one.output, other.output), {"a": "A"})

    return flow


def refuse_exit_task_with_upstream():
    @dsl.pipeline
    def flow(name: str):
        made = kubernetes.CreatePVC(access_modes=["ReadWriteOnce"], size="1Gi")
        cleanup = kubernetes.mount_pvc(work(), made.outputs["name"], "/x")
        with dsl.ExitHandler(cleanup):
            work()

    return flow


def make_exit_task_with_later_upstream():
    @dsl.pipeline
    def flow(name: str):
        made = kubernetes.CreatePVC(access_modes=["ReadWriteOnce"], size="1Gi")
        cleanup = work()
        with dsl.ExitHandler(cleanup):
            work()
        kubernetes.mount_pvc(cleanup, made.outputs["name"], "/x")

    return flow


def make_reference_by_hand():
    @dsl.pipeline
    def flow(name: str):
        with dsl.If(name == "x"):
            work(x=name).platform_config["kubernetes"] = {
                "secretAsEnv": [{"secretNameParameter": {"componentInputParameter": "name"}}]
            }

    return flow


def refuse_reference_by_hand():
    @dsl.pipeline
    def flow(name: str):
        made = text()
        with dsl.If(name == "x"):
            work().platform_config["kubernetes"] = {
                "secretAsEnv": [
                    {"secretNameParameter": {"taskOutputParameter": {"producerTask": "text", "outputParameterKey": "Output"}}}
                ]
            }

    return flow


def refuse_deleting_without_name():
    return refused(lambda task, name: kubernetes.DeletePVC())


def refuse_creating_without_size():
    return refused(lambda task, name: kubernetes.CreatePVC(access_modes=["ReadWriteOnce"]))


def refuse_modes_of_text():
    return refused(lambda task, name: kubernetes.CreatePVC(access_modes="ReadWriteOnce", size="1Gi"))
