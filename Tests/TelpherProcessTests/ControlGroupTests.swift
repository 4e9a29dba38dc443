import Glibc
import TelpherTransport
import Testing

@testable import TelpherProcess

extension ProcessTests {
  @Suite struct ControlGroupTests {
    @Test func ownFolderIsFoundBesideVersion1() {
      let mounts = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
        """
      #expect(
        ControlGroupMount.ownFolder(mounts: mounts, groups: "4:memory:/x\n0::/a/b\n")
          == "/sys/fs/cgroup/unified/a/b")
      #expect(
        ControlGroupMount.ownFolder(mounts: mounts, groups: "0::/\n") == "/sys/fs/cgroup/unified")
      #expect(ControlGroupMount.ownFolder(mounts: mounts, groups: "4:memory:/x\n") == nil)
      #expect(ControlGroupMount.ownFolder(mounts: "", groups: "0::/\n") == nil)
      #expect(ControlGroupMount.ownFolder(mounts: mounts, groups: "0::/../other\n") == nil)
    }

    @Test func ownFolderIsRelativeToTheRootOfTheMount() {
      let mounts = "41 31 0:38 /pod /mnt/with\\040space rw - cgroup2 cgroup2 rw"
      #expect(
        ControlGroupMount.ownFolder(mounts: mounts, groups: "0::/pod/a\n") == "/mnt/with space/a")
      #expect(ControlGroupMount.ownFolder(mounts: mounts, groups: "0::/pod\n") == "/mnt/with space")
      #expect(ControlGroupMount.ownFolder(mounts: mounts, groups: "0::/podium\n") == nil)
    }

    @Test func candidatesFollowThePath() {
      #expect(
        LaunchStrings.candidates(for: "x", in: LaunchEnvironment(["PATH": "/a::/b/"])) == [
          "/a/x", "x", "/b//x",
        ])
      #expect(
        LaunchStrings.candidates(for: "x", in: LaunchEnvironment([:])) == ["/bin/x", "/usr/bin/x"])
      #expect(
        LaunchStrings.candidates(for: "./x", in: LaunchEnvironment(["PATH": "/a"])) == ["./x"])
      #expect(LaunchStrings.candidates(for: "", in: LaunchEnvironment(["PATH": "/a"])) == [""])
    }
  }
}

extension ProcessTests {
  @Suite(.enabled(if: scopes.contains(.cgroup))) struct ControlGroupPoolTests {
    private static let ownGroup = SpawnRequest.shell("sed -n 's/^0:://p' /proc/self/cgroup")

    /// The folder of the control group `group`. A group that is a sibling of ours has its folder
    /// below our folder.
    private func folder(ofGroup group: String) throws -> String {
      let own = try #require(ControlGroupMount.ownFolder())
      let parts = group.split(separator: "/").suffix(2)
      return own + "/" + parts.joined(separator: "/").trimmingNewline()
    }

    @Test func anEmptyGroupIsReused() throws {
      let launcher = try Launcher(scope: .cgroup)
      let first = try launcher.run(Self.ownGroup).output
      #expect(first.hasSuffix("/job-1\n"))
      #expect(try launcher.run(Self.ownGroup).output == first)
      let folder = try folder(ofGroup: first)
      #expect(access(folder, F_OK) == 0)
      launcher.shutDown()
      #expect(access(folder, F_OK) != 0)
      #expect(access(String(folder.dropLast("/job-1".count)), F_OK) != 0)
    }

    @Test func aGroupAboveTheIdleLimitIsRemoved() throws {
      let pool = try ControlGroupPool(idleLimit: 1)
      let (first, second) = (try pool.acquire(), try pool.acquire())
      pool.giveBack(first)
      pool.giveBack(second)
      #expect(faccessat(pool.folder, first.name, F_OK, 0) == 0)
      #expect(faccessat(pool.folder, second.name, F_OK, 0) != 0)
      #expect(try pool.acquire() === first)
      pool.shutDown()
    }

    @Test func aGroupWithSurvivorsIsRemovedAfterTheyEnd() throws {
      let launcher = try Launcher(scope: .cgroup)
      let process = try launcher.launch(
        .shell("setsid sleep 1000 >/dev/null 2>&1 & echo $!; sed -n 's/^0:://p' /proc/self/cgroup"))
      let daemon = Int32(try readLine(process.output!))!
      let first = try readLine(process.output!)
      let folder = try folder(ofGroup: first)
      _ = try process.awaitExit()
      close(process.output!)
      close(process.error!)
      process.finish()
      #expect(try launcher.run(Self.ownGroup).output != first + "\n")
      #expect(access(folder, F_OK) == 0)
      kill(daemon, SIGKILL)
      try eventually {
        _ = try launcher.run(shell: "true")
        return access(folder, F_OK) != 0
      }
      launcher.shutDown()
    }

    @Test func aKilledGroupIsNotReused() throws {
      let launcher = try Launcher(scope: .cgroup)
      let process = try launcher.launch(
        .shell("sed -n 's/^0:://p' /proc/self/cgroup; exec sleep 1000"))
      let first = try readLine(process.output!)
      process.signalTree(SIGKILL)
      _ = try process.awaitExit()
      close(process.output!)
      close(process.error!)
      process.finish()
      let second = try launcher.run(Self.ownGroup)
      #expect(second.code == 0)
      #expect(second.output != first + "\n")
      launcher.shutDown()
    }

    @Test func aGroupThatItsCommandKilledStillTakesTheNextCommand() throws {
      let launcher = try Launcher(scope: .cgroup)
      let first = try launcher.run(Self.ownGroup).output
      let group = try folder(ofGroup: first)
      // Killed while the group is empty: it stays in the pool, but its count of kills differs from
      // ours.
      #expect(writeSmallFile(in: AT_FDCWD, group + "/cgroup.kill", "1") == 0)
      let second = try launcher.run(Self.ownGroup)
      #expect(second.code == 0)
      #expect(second.output == first)
      launcher.shutDown()
    }

    @Test func aGroupThatCannotBeReusedIsReplaced() throws {
      let launcher = try Launcher(scope: .cgroup)
      let first = try launcher.run(Self.ownGroup).output
      // A command that runs as the same user could do this to its own group.
      rmdir(try folder(ofGroup: first))
      #expect(try launcher.run(Self.ownGroup).code == 0)
      launcher.shutDown()
    }

    @Test func groupsOfAnEndedServerAreRemoved() throws {
      let own = try #require(ControlGroupMount.ownFolder())
      let stale = own + "/telpher-1-stale"
      mkdir(stale, 0o755)
      mkdir(stale + "/job-1", 0o755)
      let living = try Launcher(scope: .cgroup)
      // Another test's launcher that starts at this moment may be the one that removes it.
      try eventually { access(stale, F_OK) != 0 }
      let folder = try folder(ofGroup: try living.run(Self.ownGroup).output)
      _ = try Launcher(scope: .cgroup)
      #expect(access(folder, F_OK) == 0)
      living.shutDown()
    }
  }
}

extension String {
  fileprivate func trimmingNewline() -> String {
    hasSuffix("\n") ? String(dropLast()) : self
  }
}
