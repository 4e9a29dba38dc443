import Glibc
import Testing

/// Many durable jobs, and many ends of servers.
struct ManyJobsTests {
  static let isSlow = getenv("TELPHER_SLOW") != nil

  /// A server is killed at a random moment while a job is started, read or waited for. The job's
  /// output, status and number of runs are right in each round.
  @Test func serversThatAreKilledAtRandomMomentsLoseNoJob() async throws {
    try await Sandbox.withJobs { sandbox in
      for round in 0..<(Self.isSlow ? 200 : 8) {
        let (server, _) = try await sandbox.serve()
        let runs = "\(sandbox.folder)/runs-\(round)"
        let status = Int32(round % 120 + 1)
        let name = "job-\(round)"
        let starting = try sandbox.start([
          "run", "--detach", "--name", name, "--", "sh", "-c",
          "echo >>'\(runs)'; head -c 300000 /dev/zero; echo end; exit \(status)",
        ])
        let attached = try sandbox.start(["attach", name])
        _ = await onThread { usleep(UInt32.random(in: 0..<30_000)) }
        server.signal(SIGKILL)
        let started = await starting.finish()
        _ = await attached.finish()
        _ = await server.finish()
        // Without a server each command makes one of its own; the host is the same.
        guard try await sandbox.telpher("jobs", "--all").text.contains(name) else {
          // The request was lost with the server.
          #expect(started.status == 125)
          continue
        }
        let waited = try await sandbox.telpher("wait", name)
        #expect(waited.status == status, "round \(round): \(waited.errorText)")
        let read = try await sandbox.telpher("attach", name)
        #expect(read.status == status)
        #expect(read.output.count == 300_004)
        #expect(try await sandbox.text(of: runs) == "\n")
        #expect(try await sandbox.telpher("forget", name).status == 0)
      }
    }
  }

  @Test(.enabled(if: isSlow)) func aThousandJobsAtOnce() async throws {
    try await Sandbox.withJobs { sandbox in
      let line = """
        telpher serve & server=$!
        while [ ! -S run/telpher.sock ]; do :; done
        mkfifo gate; exec 3<>gate
        seq 1000 | xargs -P 8 -I N telpher run --detach --name job-N -- \
          sh -c 'echo N; read line <gate; exit $((N % 100))' >ids || exit 10
        [ "$(sort -u ids | wc -l)" = 1000 ] || exit 11
        [ "$(telpher jobs --json | tr '{' '\\n' | grep -c '"running"')" = 1000 ] || exit 12
        echo "$(grep VmRSS /proc/$(pgrep -f "job-host -- $PWD")/status)"
        yes '' | head -c 1000 >&3
        telpher wait job-1 job-100 job-1000
        [ $? = 1 ] || exit 13
        telpher wait $(seq -f job-%.0f 1000) 2>/dev/null
        [ $? = 1 ] || exit 14
        [ "$(telpher jobs --all --json | tr '{' '\\n' | grep -c '"result":"exited"')" = 1000 ] ||
          exit 15
        [ "$(telpher attach job-517)" = 517 ] || exit 16
        kill $server; wait $server
        """
      let result = try await sandbox.shell("cd '\(sandbox.folder)'; \(line)")
      #expect(result.status == 0, "\(result.errorText.suffix(2_000))")
    }
  }
}
