import Glibc
import Testing

/// Which commands share a kept connection.
@Suite(.timeLimit(.minutes(5))) struct RelaySharingTests {
  private let on = ["--on", "ssh://host"]

  @Test func anotherBuildReplacesTheRelay() async throws {
    try await Sandbox.withSSH { sandbox in
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      let old = try await sandbox.onlyRelay()
      let result = try await sandbox.shell(
        "cd \"$HOME\" && cp \(Sandbox.program) bin/newer && bin/newer run --on ssh://host -- sh -c 'exit 3'"
      )
      #expect(result.status == 3)
      #expect(try await sandbox.logins == 2)
      #expect(try await isGone(old, within: 60))
      #expect(try await sandbox.onlyRelay() != old)
    }
  }

  @Test(arguments: ["PATH", "SSH_AUTH_SOCK", "DOCKER_HOST"])
  func anotherEnvironmentGetsAnotherConnection(_ name: String) async throws {
    try await Sandbox.withSSH { sandbox in
      let other = [name: (sandbox.environment[name] ?? "") + ":/other"]
      for environment in [[:], other, other] {
        let result = try await sandbox.telpher(
          "run", "--on", "ssh://host", "--", "true", environment: environment)
        #expect(result.status == 0)
      }
      #expect(try await sandbox.logins == 2)
    }
  }

  @Test func aCommandOfTheUserIsKeptForItsWholeEnvironmentAndFolder() async throws {
    try await Sandbox.withSSH { sandbox in
      let result = try await sandbox.shell(
        """
        cd "$HOME"; mkdir other; export TELPHER_ON="exec:sh -c 'echo >>~/logins; exec \(Sandbox.program) serve --listen stdio'"
        telpher run -- true && telpher run -- true && grep -c '' logins
        MORE=1 telpher run -- true && grep -c '' logins
        cd other && telpher run -- true && grep -c '' ../logins
        """)
      #expect(result.text == "1\n2\n3\n")
      #expect(result.errorText.isEmpty)
    }
  }

  /// Attributes that a command would inherit from its caller, but not from a relay that another
  /// command has started.
  @Test(arguments: ["umask 0077", "ulimit -S -n 200", "renice -n 1 $$ >/dev/null"])
  func otherAttributesOfTheProcessGetAnotherConnection(_ change: String) async throws {
    try await Sandbox.withSSH { sandbox in
      let result = try await sandbox.shell(
        """
        cd "$HOME"; on() { telpher run --on ssh://host -- true && grep -c '' logins; }
        on; on; \(change); on; on
        """)
      #expect(result.text == "1\n1\n2\n2\n")
      #expect(result.errorText.isEmpty)
    }
  }

  /// A job's server ends all of its processes with it.
  @Test func aJobOfAServerStartsNoRelayButUsesOneThatRuns() async throws {
    try await Sandbox.withSSH { sandbox in
      let job = ["run", "--", Sandbox.program, "run"] + on + ["--", "sh", "-c", "exit 3"]
      for logins in 1...2 {
        let first = try sandbox.start(job)
        #expect(await first.finish().status == 3)
        #expect(try await sandbox.logins == logins)
        #expect(try await sandbox.telpher("connections").output.isEmpty)
      }
      #expect(try await sandbox.telpher("run", "--on", "ssh://host", "--", "true").status == 0)
      let last = try sandbox.start(job)
      #expect(await last.finish().status == 3)
      #expect(try await sandbox.logins == 3)
    }
  }
}
