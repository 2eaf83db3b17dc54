"""Starts llama.cpp's server on a free port of this machine, and ends with whoever started it.

Arguments: model file, file with the key, window in model tokens, threads, the model's name.
Prints READY and the address once the model is loaded. Standard input is the life line: when it is
closed, by a clean stop or because the parent was killed, this process ends at once.
"""

import fcntl
import os
import select
import sys

# The kernel sends SIGIO when the other end of the pipe goes away, and nobody here catches it. A
# thread that reads would not do: loading a model holds the interpreter's lock for seconds.
LIFE_LINE = sys.stdin.fileno()
fcntl.fcntl(LIFE_LINE, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(LIFE_LINE, fcntl.F_SETFL, fcntl.fcntl(LIFE_LINE, fcntl.F_GETFL) | os.O_ASYNC)
gone = select.poll()
gone.register(LIFE_LINE, select.POLLIN | select.POLLHUP)
if gone.poll(0):
    sys.exit(0)

import xllamacpp  # noqa: E402  (only once the life line holds)

model, key_file, window_tokens, threads, name = sys.argv[1:]
with open(key_file, encoding="ascii") as file:
    key = file.read().strip()

params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {name}
params.n_ctx = int(window_tokens)
# The window is split over the slots, so there is one.
params.n_parallel = 1
params.cpuparams.n_threads = int(threads)
params.cpuparams_batch.n_threads = int(threads)
params.hostnames = ["127.0.0.1"]
params.port = 0
params.api_keys = [key]
params.cors_origins = ""
params.ui = False
params.endpoint_slots = False
params.endpoint_metrics = False
# Prompts of the past are not kept in memory; the default would keep up to 8 GiB.
params.cache_ram_mib = 0
params.cache_idle_slots = False
params.fit_params = False
params.offline = True
# A small model falls into saying one sentence for ever; these are its makers' penalty for words
# that return, and llama.cpp's for whole phrases that do.
params.sampling.penalty_repeat = 1.1
params.sampling.penalty_last_n = 256
params.sampling.dry_multiplier = 0.8
params.sampling.dry_allowed_length = 4
# Warnings and errors.
params.verbosity = 2

server = xllamacpp.Server(params)
print("READY", server.listening_address, flush=True)
while os.read(LIFE_LINE, 4096):
    pass
# Without a word to the other threads: there is nothing to save.
os._exit(0)
