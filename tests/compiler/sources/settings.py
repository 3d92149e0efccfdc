"""Everything one can set on a task."""
from kfp import dsl


@dsl.component
def work(x: str = "") -> str:
    return x


@dsl.component
def text() -> str:
    return "1"


@dsl.component
def count() -> int:
    return 1


@dsl.pipeline
def caching(x: str):
    work().set_caching_options(True)
    work().set_caching_options(False)
    work().set_caching_options(enable_caching=True, cache_key="my key")
    work().set_caching_options(False, cache_key="other")


@dsl.pipeline
def retries():
    work().set_retry(3)
    work().set_retry(num_retries=0)
    work().set_retry(2, backoff_duration="30s", backoff_factor=1.5, backoff_max_duration="1 hour")
    work().set_retry(1, backoff_duration="2m", backoff_factor=3, backoff_max_duration="2 days")
    work().set_retry(1, backoff_duration="1 week")


@dsl.pipeline
def resources():
    work().set_cpu_request("1")
    work().set_cpu_limit("500m")
    work().set_cpu_limit("1.5").set_cpu_request(".5")
    work().set_memory_request("1Gi").set_memory_limit("2G")
    for unit in ["E", "Ei", "P", "Pi", "T", "Ti", "G", "Gi", "M", "Mi", "K", "Ki", ""]:
        work().set_memory_limit(f"3{unit}")
    work().set_accelerator_type("nvidia.com/gpu")
    work().set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(2)
    work().set_accelerator_limit("4").set_accelerator_type("TPU_V3")
    work().set_accelerator_type("x").set_accelerator_limit(0)
    work().add_node_selector_constraint("NVIDIA_TESLA_K80").set_gpu_limit("1")


@dsl.pipeline
def resources_known_later(cpu: str, memory: str, accelerator: str, image: str, n: int = 1):
    t = text()
    work().set_cpu_request(cpu).set_cpu_limit(t.output)
    work().set_memory_request(memory).set_memory_limit(memory)
    work().set_accelerator_type(accelerator).set_accelerator_limit(n)
    work().set_accelerator_type("fixed").set_accelerator_limit(count().output)
    work().set_container_image(image)
    work().set_container_image(t.output)
    work().set_container_image(f"registry/{image}:latest")
    work().set_container_image("python:3.12")


@dsl.pipeline
def environment():
    work().set_env_variable("A", "1").set_env_variable("B", "two words")
    work().set_env_variable(name="EMPTY", value="")
    work().set_debug_pause()
    work().set_debug_pause(before=True, after=False)
    work().set_debug_pause(before=True, on_error=True)


@dsl.pipeline
def shown():
    work().set_display_name("My Task")
    with dsl.ParallelFor([1], name="My Loop"):
        work().set_display_name("Ünïcödé")


@dsl.pipeline
def order():
    a = work()
    b = work().after(a)
    c = work().after(a, b)
    d = work(x=c.output).after(a).after(b)


@dsl.pipeline
def sub(x: str = "") -> str:
    return work(x=x).output


@dsl.pipeline
def on_pipelines():
    a = sub().set_display_name("Sub").set_caching_options(False).set_retry(2)
    b = sub(x=a.output).after(a)
    sub(x="y").ignore_upstream_failure().after(b)


@dsl.pipeline
def later_in_groups(cpu: str, image: str):
    with dsl.ParallelFor([1, 2]):
        work(x=cpu).set_cpu_limit(cpu)
        work(x=image).set_container_image(image)
