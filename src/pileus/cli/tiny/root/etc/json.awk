#!/usr/bin/awk -f
function ws() { while (p <= n && index(" \t\r\n", substr(s, p, 1))) p++ }
function str(   o, c, e) {
  o = ""; p++
  while (p <= n) {
    c = substr(s, p, 1)
    if (c == "\"") { p++; return o }
    if (c == "\\") {
      e = substr(s, p + 1, 1); p += 2
      if (e == "n") o = o "\n"; else if (e == "t") o = o "\t"; else if (e == "r") o = o
      else if (e == "u") { o = o sprintf("%c", hex(substr(s, p, 4))); p += 4 }
      else o = o e
    } else { o = o c; p++ }
  }
  return o
}
function hex(h,   i, v) {
  v = 0
  for (i = 1; i <= length(h); i++) v = v * 16 + index("0123456789abcdef", tolower(substr(h, i, 1))) - 1
  return v
}
function val(path,   c, k, i, v) {
  ws(); c = substr(s, p, 1)
  if (c == "{") {
    p++; ws()
    while (p <= n && substr(s, p, 1) != "}") {
      ws(); k = str(); ws(); p++; val(path == "" ? k : path "." k); ws()
      if (substr(s, p, 1) == ",") p++
      ws()
    }
    p++
  } else if (c == "[") {
    p++; i = 0; ws()
    while (p <= n && substr(s, p, 1) != "]") {
      val(path "." i++); ws()
      if (substr(s, p, 1) == ",") p++
      ws()
    }
    p++
  } else if (c == "\"") { v = str(); gsub(/\n/, "\\n", v); print path "\t" v }
  else { v = ""; while (p <= n && !index(",]} \t\r\n", c = substr(s, p, 1))) { v = v c; p++ } print path "\t" v }
}
{ s = s $0 "\n" }
END { n = length(s); p = 1; val("") }
