import Glibc
import TelpherTestSupport
import Testing

/// Input for a durable job whose client may do less than when it started the job.
@Suite(.timeLimit(.minutes(10))) struct JobInputTests {
  private func write(_ rule: String, in sandbox: Sandbox) {
    let policy = sandbox.folder + "/policy.yml"
    sandbox.write("rules:\n  - {for: owner, \(rule)}\n", to: policy + ".new")
    #expect(rename(policy + ".new", policy) == 0)
  }

  /// Starts a server, which writes its log to a file.
  private func serve(in sandbox: Sandbox) async throws -> Child {
    let server = try Child(
      [
        "/bin/sh", "-c",
        "exec '\(Sandbox.program)' serve --policy '\(sandbox.folder)/policy.yml' 2>\"$HOME/log\"",
      ], environment: sandbox.environment)
    #expect(await server.line()?.hasPrefix("listening") == true)
    return server
  }

  /// Replaces the policy of a server, and waits until the server has read it.
  private func replacePolicy(
    by rule: String, _ server: Child, in sandbox: Sandbox
  ) async throws {
    write(rule, in: sandbox)
    server.signal(SIGHUP)
    try await eventually("the server has read the policy again") {
      try await sandbox.text(of: sandbox.folder + "/log")?.contains("read the policy again") == true
    }
  }

  private func attach(_ job: String, _ input: String, in sandbox: Sandbox) async throws -> Finished
  {
    let child = try sandbox.start(
      ["attach", "--on", "unix:\(sandbox.socket)", "-i", job], input: .pipe)
    await child.write(input)
    child.closeInput()
    return await child.finish()
  }

  @Test(arguments: [
    // These rules do not allow the command `sh`.
    "read: [/srv]", "commands: [[sh, x]]", "shell: true",
    // The job has no limits, variables or folder.
    "allow: all, limits: {open-files: 50}", "allow: all, limits: {time: 1h}",
    "allow: all, environment: {A: b}", "allow: all, directory: /",
  ])
  func `A job that could not be started now takes no input`(_ rule: String) async throws {
    try await Sandbox.withJobs { sandbox in
      write("allow: all", in: sandbox)
      var server = try await serve(in: sandbox)
      let job = try await sandbox.startJob(
        "--on", "unix:\(sandbox.socket)", "-i", "--name", "held", "--", "sh")
      try await replacePolicy(by: rule, server, in: sandbox)
      let touched = sandbox.folder + "/touched"
      for reference in [job, "held"] {
        let denied = try await attach(reference, "touch '\(touched)'; exit\n", in: sandbox)
        #expect(denied.status == 125)
        #expect(denied.errorText.contains("the server's policy does not allow this"))
      }
      // The job host has outlived the server.
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
      server = try await serve(in: sandbox)
      #expect(try await attach(job, "touch '\(touched)'\n", in: sandbox).status == 125)
      #expect(access(touched, F_OK) != 0)
      // Its owner may watch and end it.
      let watched = try sandbox.start(["attach", "--on", "unix:\(sandbox.socket)", job])
      #expect(
        try await sandbox.telpher("kill", "--on", "unix:\(sandbox.socket)", job).status == 0)
      #expect(await watched.finish().status == 128 + SIGTERM)
      #expect(access(touched, F_OK) != 0)
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }

  @Test(arguments: [
    "allow: all", "commands: [[sh, '-s']]", "commands: any, limits: {open-files: 60, time: 1h}",
  ])
  func `A job that could be started now takes input`(_ rule: String) async throws {
    try await Sandbox.withJobs { sandbox in
      write("commands: any, limits: {open-files: 50, time: 30m}", in: sandbox)
      let server = try await serve(in: sandbox)
      let job = try await sandbox.startJob(
        "--on", "unix:\(sandbox.socket)", "-i", "--", "sh", "-s")
      try await replacePolicy(by: rule, server, in: sandbox)
      let attached = try await attach(job, "echo got; exit 3\n", in: sandbox)
      #expect(attached.text == "got\n", "\(attached.errorText)")
      #expect(attached.status == 3)
      // The job has ended, and takes no more input.
      let again = try await attach(job, "echo lost\n", in: sandbox)
      #expect(again.text == "got\n", "\(again.errorText)")
      server.signal(SIGTERM)
      #expect(await server.finish().status == 0)
    }
  }
}
