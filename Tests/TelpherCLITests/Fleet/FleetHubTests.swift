import Glibc
import TelpherTestSupport
import Testing

/// Workers that only a hub reaches.
@Suite(.enabled(if: FleetStage.hasTools, NATSServer.missing), .timeLimit(.minutes(5)))
struct FleetHubTests {
  /// Runs `body` with a worker `a` behind a hub.
  ///
  /// - Parameter body: gets the address of the worker for clients.
  private func withWorker(_ body: (FleetStage, String) async throws -> Void) async throws {
    try await FleetStage.with(["a"]) { stage in
      let parts = (0..<3).map { _ in "\(Int.random(in: 1...254))" }.joined(separator: ".")
      let address = "tls://127.\(parts):7722"
      let hub = try stage.sandbox.start([
        "serve", "--hub", "--no-commands", "--root", "none", "--listen",
        "tls:127.\(parts):7722", "--authorized-keys", stage.key + ".pub",
      ])
      guard await hub.line() != nil else {
        throw Failed("no hub: \(await hub.finish().errorText)")
      }
      let known = try await stage.telpher([
        "ping", "--on", address, "--accept-new", "--identity", stage.key,
      ])
      #expect(known.status == 0, "\(known.errorText)")
      try await stage.start("a", ["--dial", address, "--dial-identity", stage.key])
      try await body(stage, "hub+\(address)/a")
      await stage.end("a", by: SIGKILL)
      hub.signal(SIGTERM)
      _ = await hub.finish()
    }
  }

  @Test func theOutputOfAJobComesThroughTheHub() async throws {
    try await withWorker { stage, address in
      let go = stage.sandbox.folder + "/go"
      let job = try await stage.submit(
        "--queue", "@a", "--", "sh", "-c",
        "echo first; echo error >&2; until [ -e \(go) ]; do sleep 0.01; done; echo last")
      let output = try stage.sandbox.start(
        ["job", "output", "-f", "--accept-new", "--identity", stage.key, job],
        environment: ["TELPHER_FLEET": stage.folder + "/admin"])
      #expect(await output.line() == "first")
      stage.sandbox.write("", to: go)
      let result = await output.finish()
      #expect(result.text == "last\n" && result.errorText == "error\n" && result.status == 0)
      #expect(try await stage.wait(job).status == 0)
      // All of it, without waiting.
      let again = try await stage.telpher(["job", "output", "--identity", stage.key, job])
      #expect(again.text == "first\nlast\n" && again.errorText == "error\n" && again.status == 0)
    }
  }

  /// A key of the worker may read the output of a job, and do nothing else with it.
  @Test func aClientOfTheWorkerOnlyReadsItsJobs() async throws {
    try await withWorker { stage, address in
      let job = try await stage.submit(
        "--queue", "@a", "--", "sh", "-c", "echo started; exec sleep 1000")
      let output = try stage.sandbox.start(
        ["job", "output", "-f", "--accept-new", "--identity", stage.key, job],
        environment: ["TELPHER_FLEET": stage.folder + "/admin"])
      #expect(await output.line() == "started")
      let folder = stage.state("a") + "/jobs"
      let run = try await stage.sandbox.shell("ls \(folder) | grep -x '[0-9a-f]\\{32\\}'").text
        .dropLast()
      let options = ["--on", address, "--identity", stage.key]
      let kill = try await stage.telpher(["kill"] + options + [String(run)])
      #expect(kill.status != 0, "\(kill.text)\(kill.errorText)")
      let forget = try await stage.telpher(["forget"] + options + [String(run)])
      #expect(forget.status != 0)
      let input = try await stage.telpher(["attach", "-i"] + options + [String(run)])
      #expect(input.status == 125 && input.output.isEmpty)
      #expect(try await stage.telpher(["jobs", "--all"] + options).text.contains(run) == false)
      // A beginning of the id is not enough.
      let short = try await stage.telpher(["logs"] + options + [String(run.prefix(16))])
      #expect(short.status == 125 && short.output.isEmpty)
      let whole = try await stage.telpher(["logs"] + options + [String(run)])
      #expect(whole.text == "started\n" && whole.status == 0, "\(whole.errorText)")
      output.signal(SIGKILL)
      _ = await output.finish()
      // The job still runs; commands of the client's own work too.
      #expect(try await stage.telpher(["run"] + options + ["--", "echo", "hi"]).text == "hi\n")
      #expect(try await stage.run(["job", "show", job]).contains("state: running"))
      try await stage.run(["job", "cancel", job])
      #expect(try await stage.wait(job).status == 120)
    }
  }

  /// A worker that was broken into announces what it likes.
  @Test func anAnnouncedAddressStartsNoProgram() async throws {
    try await FleetStage.with(["a"]) { stage in
      let mark = stage.sandbox.folder + "/mark"
      try await stage.start("a", ["--advertise", "exec:touch \(mark)"])
      let job = try await stage.submit("--queue", "@a", "--", "echo", "hi")
      #expect(try await stage.wait(job).status == 0)
      let output = try await stage.telpher(["job", "output", job])
      #expect(output.status == 125 && output.output.isEmpty)
      #expect(output.errorText.contains("would start a program here"), "\(output.errorText)")
      #expect(access(mark, F_OK) != 0)
    }
  }
}
