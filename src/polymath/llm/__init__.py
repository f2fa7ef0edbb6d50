"""Any OpenAI-compatible endpoint: requests in, replies out, in order, whatever the server does in between.

nouns.py     Endpoint, Request, Reply, Usage
key.py       the key, read at call time, and how it is kept out of everything
wire.py      what is sent, and how an answer is read
failures.py  what a refusal means: try again, ask in another way, give up
ask.py       complete, complete_async: bounded concurrency, retries, one pause for all; run_to_end for several at once
"""

from polymath.llm.ask import complete, complete_async, run_to_end
from polymath.llm.nouns import Endpoint, Reply, Request, Usage, usage_of

__all__ = ["Endpoint", "Reply", "Request", "Usage", "complete", "complete_async", "run_to_end", "usage_of"]
