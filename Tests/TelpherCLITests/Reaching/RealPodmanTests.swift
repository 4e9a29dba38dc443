import Glibc
import Testing

/// A real container of podman, whose files are copies of this machine's: no image is needed.
struct RealPodmanTests {
  /// What is in the container: tools for the script that copies telpher, and the libraries of the
  /// telpher of this test.
  private static let fill = """
    cd "$HOME" && mkdir -p root/bin root/root root/proc root/tmp || exit 1
    for name in sh sha256sum head uname grep wc mkdir chmod mv rm sleep cat ls; do
      file=$(readlink -f "$(command -v $name)") && cp "$file" root/bin/$name || exit 1
      echo "$file"
    done >files
    for file in $(cat files) "$(readlink -f "$HOME/bin/telpher")"; do
      ldd "$file" | grep -o '/[^ ]*'
    done | sort -u >libraries
    while read -r library; do
      mkdir -p "root$(dirname "$library")" && cp "$library" "root$library" || exit 1
    done <libraries
    """

  /// Starts a container that lasts for `body`.
  ///
  /// - Returns: false if podman is not there or runs no containers here.
  private static func withContainer(
    _ body: (Sandbox) async throws -> Void
  ) async throws -> Bool {
    guard geteuid() == 0, access("/usr/bin/podman", X_OK) == 0 else { return false }
    let sandbox = try Sandbox()
    let folder = sandbox.folder
    let runtime = access("/usr/sbin/runc", X_OK) == 0 ? "--runtime runc" : ""
    // All of its state is in the sandbox.
    sandbox.addProgram(
      "podman",
      """
      #!/bin/sh
      PATH=$PATH:/usr/sbin:/sbin
      exec /usr/bin/podman --root \(folder)/store --runroot \(folder)/state --storage-driver vfs \\
        --cgroup-manager cgroupfs --events-backend file \(runtime) "$@"

      """)
    let filled = try await sandbox.shell(fill)
    guard filled.status == 0 else { throw Failed("\(filled.errorText)") }
    let started = try await sandbox.shell(
      """
      podman run -d --name web --network none --cgroupns host --ulimit nofile=1024:1024 \
        --ulimit nproc=1024:1024 --rootfs "$HOME/root" /bin/sleep 3600
      """)
    let result: Result<Void, any Error>
    do {
      if started.status == 0 { try await body(sandbox) }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    _ = try await sandbox.shell("podman rm -f -t 0 web")
    try result.get()
    return started.status == 0
  }

  /// Whether podman runs containers here; found out once.
  private static let canRun = Task { (try? await withContainer { _ in }) == true }

  @Test(.enabled("needs podman, and the right to run a container") { await canRun.value })
  func commandsAndFilesReachAContainer() async throws {
    _ = try await Self.withContainer { sandbox in
      let address = "podman://web"
      let absent = try await sandbox.telpher("on", address, "--", "true")
      #expect(absent.status == 125)
      #expect(
        absent.errorText.contains(
          "there is no telpher in the container web (podman's exit status was 127)"))
      let unknown = try await sandbox.telpher("on", "podman://unknown", "--", "true")
      #expect(unknown.status == 125)
      #expect(unknown.errorText.contains("podman could not start telpher in the container unknown"))

      // It is copied there. The bytes 16 and 17 are podman's keys to detach.
      let first = try await sandbox.telpher(
        "on", address, "--install", "always", "-i", "--", "sh", "-c", "cat; exit 5",
        input: "a\u{10}\u{11}b", environment: ["TELPHER_STATIC": Sandbox.program])
      #expect(first.text == "a\u{10}\u{11}b" && first.errorText == "")
      #expect(first.status == 5)
      sandbox.writeNoise(1 << 20, to: sandbox.folder + "/noise")
      let copied = try await sandbox.shell(
        """
        export TELPHER_STATIC=\(Sandbox.program)
        cd "$HOME" && telpher put --quiet --on \(address) noise /tmp/stored &&
        telpher get --quiet --on \(address) /tmp/stored back && cmp noise back &&
        cmp noise root/tmp/stored && telpher uninstall \(address)
        """)
      #expect(copied.status == 0)
      #expect(copied.text.hasPrefix("removed ") && copied.errorText == "")
    }
  }
}
