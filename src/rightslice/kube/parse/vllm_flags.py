"""The names of vLLM's server flags: which take a value, which are switches, short forms.

From vllm/engine/arg_utils.py, vllm/config/*.py and vllm/entrypoints/openai/cli_args.py, releases
0.6 to 0.33. argparse takes any unambiguous beginning of a name, and vLLM's own parser reads ``_``
as ``-`` (vllm/utils/argparse_utils.py, FlexibleArgumentParser).
"""

from __future__ import annotations

from typing import Final

SHORT: Final = {
    "-tp": "tensor-parallel-size",
    "-pp": "pipeline-parallel-size",
    "-dp": "data-parallel-size",
    "-ep": "enable-expert-parallel",
    "-q": "quantization",
    "-n": "nnodes",
    "-r": "node-rank",
    "-dpn": "data-parallel-rank",
    "-dpl": "data-parallel-size-local",
    "-dpa": "data-parallel-address",
    "-dpp": "data-parallel-rpc-port",
    "-dpb": "data-parallel-backend",
    "-dph": "data-parallel-hybrid-lb",
    "-dpr": "data-parallel-start-rank",
    "-asc": "api-server-count",
    "-O": "optimization-level",
    "-cc": "compilation-config",
    "-ac": "attention-config",
    "-sc": "speculative-config",
}

_SWITCHES: Final = """
    aggregate-engine-logging allow-credentials allow-deprecated-quantization async-scheduling
    calculate-kv-scales cudagraph-metrics data-parallel-external-lb data-parallel-hybrid-lb
    disable-async-output-proc disable-cascade-attn
    disable-chunked-mm-input disable-custom-all-reduce disable-fastapi-docs
    disable-frontend-multiprocessing disable-hybrid-kv-cache-manager disable-log-requests
    disable-log-stats disable-logprobs-during-spec-decoding disable-mm-preprocessor-cache
    disable-nccl-for-dp-synchronization disable-sliding-window disable-uvicorn-access-log
    enable-auto-tool-choice enable-chunked-prefill enable-dbo enable-eplb enable-expert-parallel
    enable-force-include-usage enable-kv-cache-events enable-layerwise-nvtx-tracing
    enable-log-deltas enable-log-outputs enable-log-requests enable-lora enable-lora-bias
    enable-mfu-metrics enable-mm-embeds enable-multimodal-encoder-data-parallel
    enable-offline-docs enable-prefix-caching enable-prompt-adapter enable-prompt-embeds
    enable-prompt-tokens-details enable-reasoning enable-request-id-headers
    enable-return-routed-experts enable-server-load-tracking enable-sleep-mode enable-ssl-refresh
    enable-tokenizer-info-endpoint enforce-eager engine-use-ray exclude-tools-when-tool-choice-none
    fail-on-environ-validation fully-sharded-loras headless
    interleave-mm-strings kv-cache-metrics kv-sharing-fast-prefill language-model-only
    log-error-stack multi-step-stream-outputs optimize-mm-only
    ray-workers-use-nsight return-tokens-as-token-ids
    scheduler-reserve-full-isl skip-mm-profiling skip-tokenizer-init tokens-only
    trust-remote-code trust-request-chat-template use-tqdm-on-load use-v2-block-manager
    worker-use-ray grpc enable-elastic-ep mm-encoder-only
"""

_VALUES: Final = """
    model model-tag task runner convert tokenizer tokenizer-mode hf-config-path hf-overrides
    hf-token revision code-revision tokenizer-revision config-format generation-config
    override-generation-config dtype seed max-model-len quantization quantization-param-path
    max-seq-len-to-capture max-context-len-to-capture max-logprobs logprobs-mode
    served-model-name model-impl rope-scaling rope-theta load-format download-dir
    model-loader-extra-config ignore-patterns safetensors-load-strategy pt-load-map-location
    reasoning-parser reasoning-parser-plugin distributed-executor-backend pipeline-parallel-size
    tensor-parallel-size data-parallel-size data-parallel-rank data-parallel-start-rank
    data-parallel-size-local data-parallel-address data-parallel-rpc-port data-parallel-backend
    prefill-context-parallel-size decode-context-parallel-size dcp-comm-backend
    cp-kv-cache-interleave-size
    nnodes node-rank master-addr master-port all2all-backend expert-placement-strategy eplb-config
    max-parallel-loading-workers ray-runtime-env worker-cls worker-extension-cls block-size
    gpu-memory-utilization kv-cache-memory-bytes swap-space kv-cache-dtype
    num-gpu-blocks-override prefix-caching-hash-algo cpu-offload-gb kv-offloading-size
    kv-offloading-backend mamba-cache-dtype mamba-ssm-cache-dtype mamba-block-size
    mamba-cache-mode limit-mm-per-prompt media-io-kwargs mm-processor-kwargs mm-processor-cache-gb
    mm-processor-cache-type mm-encoder-tp-mode mm-encoder-attn-backend video-pruning-rate
    max-loras max-lora-rank lora-extra-vocab-size lora-dtype max-cpu-loras default-mm-loras
    long-lora-scaling-factors lora-modules max-prompt-adapters max-prompt-adapter-token
    prompt-adapters show-hidden-metrics-for-version otlp-traces-endpoint collect-detailed-traces
    max-num-batched-tokens max-num-seqs max-num-partial-prefills max-long-partial-prefills
    cuda-graph-sizes long-prefill-token-threshold num-lookahead-slots scheduler-delay-factor
    preemption-mode num-scheduler-steps scheduling-policy scheduler-cls stream-interval
    speculative-config speculative-model num-speculative-tokens
    speculative-draft-tensor-parallel-size
    speculative-max-model-len speculative-disable-by-batch-size ngram-prompt-lookup-max
    ngram-prompt-lookup-min spec-decoding-acceptance-method kv-transfer-config kv-events-config
    ec-transfer-config compilation-config optimization-level attention-backend attention-config
    additional-config structured-outputs-config guided-decoding-backend pooler-config
    override-pooler-config override-neuron-config device moe-backend profiler-config
    kernel-config host port uds uvicorn-log-level allowed-origins allowed-methods allowed-headers
    api-key chat-template chat-template-content-format response-role ssl-keyfile ssl-certfile
    ssl-ca-certs ssl-cert-reqs root-path middleware tool-call-parser tool-parser-plugin
    tool-server log-config-file max-log-len api-server-count config cudagraph-capture-sizes
    max-cudagraph-capture-size h11-max-incomplete-event-size h11-max-header-count
    shutdown-timeout disable-access-log-for-endpoints
"""

SWITCHES: Final = frozenset(_SWITCHES.split())
VALUES: Final = frozenset(_VALUES.split())
ALL: Final = SWITCHES | VALUES
