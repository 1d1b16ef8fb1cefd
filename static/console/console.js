// htmx as the Content-Security-Policy has it: no style element of its own, nothing evaluated, nothing kept.
Object.assign(htmx.config, { includeIndicatorStyles: false, allowEval: false, historyCacheSize: 0 });
