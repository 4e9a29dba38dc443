import Glibc
import TelpherClient
import TelpherTestSupport
import TelpherTransport
import Testing

/// Requests about durable jobs as they are on the wire.
struct JobRequestTests {
  private static let id = String(repeating: "0a", count: 16)

  /// A server and what connects to it.
  private struct Stage {
    let sandbox: Sandbox
    let loop: any EventLoop
    var address: SocketAddress { .unix(path: sandbox.folder + "/s") }

    func peer() async throws -> RawPeer { try await RawPeer.connect(to: address, on: loop) }

    /// The result of one request over a new connection.
    func result(of request: String) async throws -> String {
      let peer = try await peer()
      await peer.send(hello(), open(1, request))
      let result = try await peer.result(1)
      await peer.close()
      return result
    }
  }

  /// Runs `body` with a server, and then ends the server.
  private func withServer(_ sandbox: Sandbox, _ body: (Stage) async throws -> Void) async throws {
    let (server, _) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/s")
    let loop = try SystemBackend.uv.makeLoop()
    let result: Result<Void, any Error>
    do {
      let stage = Stage(sandbox: sandbox, loop: loop)
      // On the loop's thread: those of tasks may be busy with other tests for longer than a server
      // waits for a HELLO.
      try await withTaskExecutorPreference(loop) { try await body(stage) }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await loop.shutDown()
    server.signal(SIGTERM)
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
    try result.get()
  }

  private func request(_ shell: String) -> String {
    #"{"op":"run","shell":"\#(shell)","job":"\#(Self.id)","detach":true,"must":["detach"]}"#
  }

  @Test func aReferenceThatMeansSeveralJobsIsRefused() async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        for end in ["1", "2"] {
          let id = String(repeating: "b", count: 31) + end
          let start = #"{"op":"run","argv":["true"],"job":"\#(id)","detach":true}"#
          #expect(try await stage.result(of: start).contains(id))
        }
        let wait = try await stage.result(of: #"{"op":"wait","job":"bbbbbbbb"}"#)
        #expect(wait.contains("is the beginning of 2 ids"))
        let short = try await stage.result(of: #"{"op":"wait","job":"bbbbbbb"}"#)
        #expect(short.contains("there is no job"))
      }
    }
  }

  @Test func aRepeatedRequestRunsNothingTwice() async throws {
    try await Sandbox.withJobs { sandbox in
      let runs = "\(sandbox.folder)/runs"
      let start = request("echo >>\(runs); exit 3")
      for _ in 0..<2 {
        try await withServer(sandbox) { stage in
          for _ in 0..<2 {
            _ = try await stage.result(of: start)
            let end = try await stage.result(of: #"{"op":"wait","job":"0a0a0a0a"}"#)
            #expect(end.contains(#""code":3"#))
            #expect(end.contains(#""job":"\#(Self.id)""#))
          }
          // After the end, a repeated request gets the result, and another request is refused.
          #expect(try await stage.result(of: start).contains(#""code":3"#))
          let other = try await stage.result(of: request("echo >>\(runs)"))
          #expect(other.contains(#""refused""#))
          #expect(other.contains("was started by another request"))
        }
        // The next host knows it too.
        try await sandbox.endJobHost(by: SIGKILL)
      }
      #expect(try await sandbox.text(of: runs) == "\n")
    }
  }

  @Test func aRepeatedRequestAfterTheHostWasKilledRunsNothing() async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        let runs = "\(sandbox.folder)/runs"
        let start = request("echo >>\(runs); exec sleep 1000")
        #expect(try await stage.result(of: start).contains(#""detached""#))
        #expect(try await stage.result(of: start).contains(#""detached""#))
        let attached = try await stage.peer()
        await attached.send(hello(), open(1, #"{"op":"attach","job":"0a0a0a0a0a"}"#))
        _ = try await attached.frame(5, 1)
        try await sandbox.endJobHost(by: SIGKILL)
        // The stream is lost.
        #expect(try await attached.frame(7, 1).payload.prefix(4) == [0, 0, 0, 12])
        await attached.close()
        #expect(try await stage.result(of: start).contains(#""unknown""#))
        #expect(try await sandbox.text(of: runs) == "\n")
        let forget = #"{"op":"forget","job":"\#(Self.id)"}"#
        #expect(try await stage.result(of: forget).contains(#""ok""#))
      }
    }
  }

  @Test(arguments: [
    "printf x >claim", "ln -s saved claim", "mkdir claim", "head -c 99 saved >claim",
  ])
  func aJobWhoseClaimCannotBeReadIsKeptAndNotRunAgain(_ damage: String) async throws {
    try await Sandbox.withJobs { sandbox in
      let runs = "\(sandbox.folder)/runs"
      let start = request("echo >>\(runs); echo kept; exit 3")
      let folder = "\(sandbox.jobsFolder)/\(Self.id)"
      let wait = #"{"op":"wait","job":"\#(Self.id)"}"#
      try await withServer(sandbox) { stage in
        _ = try await stage.result(of: start)
        #expect(try await stage.result(of: wait).contains(#""code":3"#))
        try await sandbox.endJobHost(by: SIGTERM)
        let line = "cd '\(folder)' && mv claim saved && \(damage)"
        #expect(try await sandbox.shell(line).status == 0)
        let unknown = try await stage.result(of: wait)
        #expect(unknown.contains(#""unknown""#))
        #expect(unknown.contains("the claim of the job can't be read"))
        #expect(try await stage.result(of: start).contains("can't be read, so it may have run"))
        #expect(try await sandbox.telpher("jobs", "--all").text.contains("unknown"))
        #expect(try await sandbox.telpher("attach", Self.id).text == "kept\n")
        try await sandbox.endJobHost(by: SIGTERM)
        let back = "cd '\(folder)' && rm -r claim && mv saved claim"
        #expect(try await sandbox.shell(back).status == 0)
        #expect(try await stage.result(of: start).contains(#""code":3"#))
      }
      #expect(try await sandbox.text(of: runs) == "\n")
    }
  }

  @Test func whatIsLeftOfAJobThatWasNotStartedIsRemoved() async throws {
    try await Sandbox.withJobs { sandbox in
      let folder = "\(sandbox.jobsFolder)/\(Self.id)"
      _ = try await sandbox.startJob("--", "true")
      try await sandbox.endJobHost(by: SIGTERM)
      let line = "mkdir '\(folder)' && echo part >'\(folder)/claim.new'"
      #expect(try await sandbox.shell(line).status == 0)
      let list = try await sandbox.telpher("jobs", "--all").text
      #expect(!list.contains(Self.id.prefix(8)))
      #expect(access(folder, F_OK) != 0)
    }
  }

  @Test func forgetSucceedsOnlyIfNothingIsLeft() async throws {
    try await Sandbox.withJobs { sandbox in
      let job = try await sandbox.startJob("--name", "mine", "--", "sh", "-c", "echo x; exit 4")
      #expect(try await sandbox.telpher("wait", job).status == 4)
      // A folder is not removed as a file.
      let obstacle = "\(sandbox.jobsFolder)/\(job)/journal/obstacle"
      #expect(mkdir(obstacle, 0o700) == 0)
      let failed = try await sandbox.telpher("forget", "mine")
      #expect(failed.status != 0)
      #expect(failed.errorText.contains("the job was not removed: cannot remove"))
      #expect(try await sandbox.telpher("jobs", "--all").text.contains("exited 4"))
      #expect(try await sandbox.telpher("wait", "mine").status == 4)
      #expect(rmdir(obstacle) == 0)
      #expect(try await sandbox.telpher("forget", "mine").status == 0)
      #expect(access("\(sandbox.jobsFolder)/\(job)", F_OK) != 0)
      #expect(try await sandbox.telpher("jobs", "--all").text == "")
    }
  }

  @Test(arguments: [#""detach":false"#, #""name":"mine""#, #""journal":{}"#])
  func eachKeyForADurableJobMakesOne(_ key: String) async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        let runs = "\(sandbox.folder)/runs"
        let start = #"{"op":"run","shell":"echo >>\#(runs); exit 3","job":"\#(Self.id)",\#(key)}"#
        #expect(try await stage.result(of: start).contains(#""code":3"#))
        #expect(try await stage.result(of: start).contains(#""code":3"#))
        // The host has it, so another request with this id is refused.
        let other = try await stage.result(of: request("echo >>\(runs)"))
        #expect(other.contains(#""refused""#))
        #expect(try await sandbox.text(of: runs) == "\n")
        #expect(try await sandbox.telpher("jobs", "--all").text.contains("exited 3"))
      }
    }
  }

  @Test func aStreamWithAJournalIsAttachedToItsJob() async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        let start =
          #"{"op":"run","shell":"echo out; read line; echo $line >&2","job":"\#(Self.id)","journal":{},"must":["journal"]}"#
        let first = try await stage.peer()
        await first.send(hello(), open(1, start, noInput: false))
        #expect(try await first.frame(5, 1).text.contains(#""offsets":{"0":0,"1":0,"2":0}"#))
        try await first.until("it has written") { !$0.output(1).isEmpty }
        await first.send(data(1, 0, Array("in".utf8)))
        await first.close()
        // The same request is attached from the beginning, and has the input from now on.
        let second = try await stage.peer()
        await second.send(hello(), open(1, start, noInput: false))
        _ = try await second.frame(5, 1)
        await second.send(data(1, 0, Array("put\n".utf8), fin: true))
        let end = try await second.result(1)
        #expect(end.contains(#""exited""#))
        #expect(end.contains(#""bytes":{"1":4,"2":"#))
        #expect(String(decoding: await second.output(1), as: UTF8.self) == "out\n")
        await second.close()
      }
    }
  }

  @Test func theLibraryStartsReadsAndForgetsJobs() async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        let connection = try await Connection.connect(
          to: .socket(stage.address), on: stage.loop)
        let job = try await connection.startJob(
          Command(shell: "printf abcdef; echo error >&2; exit 3"), name: "mine")
        #expect(try await job.wait().status == .exited(3))
        func text(_ output: JobOutput) async throws -> String {
          var bytes: [UInt8] = []
          for try await chunk in output { bytes.append(contentsOf: chunk) }
          return String(decoding: bytes, as: UTF8.self)
        }
        #expect(try await text(job.output()) == "abcdef")
        #expect(try await text(connection.job("mine").output(from: 4)) == "ef")
        #expect(try await text(job.error()) == "error\n")
        let list = try await connection.jobs()
        #expect(list.map(\.id) == [job.id])
        #expect(list.map(\.state) == [.finished])
        #expect(list.map(\.outputCount) == [6])
        // What a reader has not read does not matter.
        let endless = try await connection.startJob(Command("yes"), journalSize: 1 << 20)
        for try await _ in endless.output() { break }
        try await endless.kill(signal: SIGKILL)
        #expect(try await endless.wait().status == .signaled(SIGKILL))
        await #expect(throws: ClientError.self) { _ = try await text(endless.output()) }
        try await job.forget()
        await #expect(throws: ClientError.self) { _ = try await job.wait() }
        await #expect(throws: ClientError.self) {
          _ = try await connection.startJob(Command("/nonexistent"))
        }
        await connection.close()
      }
    }
  }

  @Test func requestsThatMakeNoSenseAreRefused() async throws {
    try await Sandbox.withJobs { sandbox in
      try await withServer(sandbox) { stage in
        let cases: [(request: String, kind: String, message: String)] = [
          (#"{"op":"attach","job":"nobody"}"#, "failed", "there is no job 'nobody'"),
          (#"{"op":"attach"}"#, "refused", "'job' is missing"),
          (#"{"op":"attach","job":"a","from":{"3":1}}"#, "refused", "channel '3'"),
          (#"{"op":"attach","job":"a","from":{"1":1},"tail":1}"#, "refused", "not both"),
          (#"{"op":"attach","job":"a","channels":[]}"#, "refused", "'channels'"),
          (#"{"op":"kill","job":"nobody"}"#, "failed", "no command with the id 'nobody'"),
          (#"{"op":"run","argv":["true"],"detach":true}"#, "refused", "need a 'job' id"),
          (#"{"op":"run","argv":["true"],"name":"x"}"#, "refused", "'name'"),
          (
            #"{"op":"run","argv":["true"],"job":"\#(Self.id)","journal":{"bytes":1}}"#, "refused",
            "a journal has from"
          ),
        ]
        for (request, kind, message) in cases {
          let result = try await stage.result(of: request)
          #expect(result.contains(#""result":"\#(kind)""#), "\(request)")
          #expect(result.contains(message), "\(request)")
        }
      }
    }
  }
}
