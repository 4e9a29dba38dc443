import Glibc
import Testing

/// Programs that carry a connection, and that a client must not leave behind.
struct LostCarrierTests {
  /// A carrier that writes its process id and never connects.
  private static let silent = "exec:sh -c 'echo $$ >~/pid.new; mv ~/pid.new ~/pid; %; sleep 600'"

  /// On a busy machine the carrier may not have started when the shortest timeout passes.
  @Test(arguments: ["0", "600"])
  func aCarrierThatIgnoresSignalsIsKilledAfterTheTimeout(_ keep: String) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      let address = Self.silent.replacing("%", with: #"trap "" TERM HUP INT"#)
      for (timeout, text) in [("300ms", "300 ms"), ("3s", "3000 ms"), ("30s", "30000 ms")] {
        let result = try await sandbox.telpher(
          "run", "--connect-timeout", timeout, "--on", address, "--", "true")
        #expect(result.status == 125)
        #expect(result.errorText.contains("no answer within \(text)"))
        guard let pid = try await sandbox.text(of: sandbox.folder + "/pid") else { continue }
        return #expect(try await isGone(try #require(Int32(pid.dropLast()))))
      }
      Issue.record("the carrier was not started within 30 s")
    }
  }

  /// As `kubectl config use-context` does.
  @Test func aChangedConfigurationGetsAnotherConnection() async throws {
    try await Sandbox.with(keep: "600") { sandbox in
      sandbox.addProgram(
        "kubectl", "#!/bin/sh\necho >>~/logins\nexec \(Sandbox.program) serve --listen stdio\n")
      let result = try await sandbox.shell(
        """
        cd "$HOME"; mkdir .kube other; echo one >.kube/config
        use() { telpher run --on kubectl://space/pod -- true && grep -c '' ~/logins; }
        use; use; echo two >.kube/new; mv .kube/new .kube/config; use
        export KUBECONFIG=config; use; cd other; use
        """)
      #expect(result.text == "1\n1\n2\n3\n4\n")
      #expect(result.errorText.isEmpty)
    }
  }
}
