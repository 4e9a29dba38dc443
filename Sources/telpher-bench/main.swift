internal import Glibc
internal import TelpherClient
internal import TelpherServer
internal import TelpherUV

// The client side of what is measured, one contestant a run: scripts/bench runs it in turn with the
// others and prints the ratios. Each mode prints one line, a name and a number.
//
//   telpher-bench commands ADDRESS COUNT INFLIGHT   commands per second, `/bin/true`, one connection
//   telpher-bench output ADDRESS COMMAND [ARG ...]  gigabytes per second of a command's output
//   telpher-bench latency ADDRESS COUNT BULK STALLED
//                                                   p50 and p99 of `/bin/true`, one at a time, beside
//                                                   BULK streams that are read and STALLED that aren't

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 3 else {
  print("usage: telpher-bench commands|output|latency ADDRESS ... (see main.swift)")
  exit(64)
}
let loop = try UVLoop()
try await withTaskExecutorPreference(loop) {
  let endpoint = try Endpoint(parsing: arguments[1])
  // TCP wants the server's token: from the file that TELPHER_TOKEN_FILE names.
  let token = try getenv("TELPHER_TOKEN_FILE").map { try TokenFile.read(String(cString: $0)) }
  let connection = try await Connection.connect(to: endpoint, on: loop, token: token)
  switch arguments[0] {
  case "commands":
    try await measureCommands(
      on: connection, count: Int(arguments[2]) ?? 1_000, inFlight: Int(arguments[3]) ?? 16)
  case "output":
    try await measureOutput(on: connection, Command(arguments: Array(arguments[2...])))
  case "latency":
    try await measureLatency(
      on: connection, count: Int(arguments[2]) ?? 1_000, bulk: Int(arguments[3]) ?? 0,
      stalled: Int(arguments[4]) ?? 0)
  default:
    print("there is no mode '\(arguments[0])'")
    exit(64)
  }
  await connection.close()
}
await loop.shutDown()
