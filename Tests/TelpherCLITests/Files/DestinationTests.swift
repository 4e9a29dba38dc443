import Glibc
import Testing

/// Which destinations a transfer accepts and which it refuses.
struct DestinationTests {
  let sandbox: Sandbox
  init() throws {
    sandbox = try Sandbox()
    mkdir(sandbox.folder + "/d", 0o755)
    sandbox.write("new", to: sandbox.folder + "/source")
  }

  private func kind(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(sandbox.folder + "/" + path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Both directions. The names are the same on both sides, because the server has the same home.
  private func both(_ destination: String, _ flags: String...) async throws -> [Finished] {
    let here = sandbox.folder + "/"
    return [
      await (try sandbox.start(["put"] + flags + [here + "source", destination])).finish(),
      await (try sandbox.start(["get"] + flags + ["source", here + destination])).finish(),
    ]
  }

  @Test func devicesPipesAndSocketsAreNotReplaced() async throws {
    mkfifo(sandbox.folder + "/d/source", 0o600)
    mkfifo(sandbox.folder + "/fifo", 0o600)
    symlink("fifo", sandbox.folder + "/link")
    // The test makes its own device, as only root can, and does not touch those of the system.
    if mknod(sandbox.folder + "/device", S_IFCHR | 0o600, 1 << 8 | 3) != 0 {
      mkfifo(sandbox.folder + "/device", 0o600)
    }
    symlink("device", sandbox.folder + "/todevice")
    for destination in ["fifo", "link", "device", "todevice", "d"] {
      for result in try await both(destination) + both(destination, "-r") {
        #expect(result.status == 1, "\(destination)")
        #expect(
          result.errorText.contains("only files are replaced")
            || result.errorText.contains("not a regular file"), "\(result.errorText)")
      }
    }
    #expect(kind("d/source") == S_IFIFO && kind("fifo") == S_IFIFO)
    #expect(kind("link") == S_IFLNK && kind("todevice") == S_IFLNK)
    #expect(kind("device") == (geteuid() == 0 ? S_IFCHR : S_IFIFO))
    #expect(try await sandbox.partials() == [])
  }

  @Test func aDestinationLinkIsFollowedToItsFile() async throws {
    let folder = sandbox.folder
    mkdir(folder + "/far", 0o755)
    for link in ["link", "d/source", "chain"] {
      symlink(link == "chain" ? "link" : folder + "/far/file", folder + "/" + link)
    }
    for destination in ["link", "d", "chain"] {
      for number in [0, 1] {
        sandbox.write("old", to: folder + "/far/file")
        let results = try await both(destination)
        #expect(results[number].status == 0, "\(destination) \(results[number].errorText)")
        #expect(try await sandbox.text(of: folder + "/far/file") == "new")
      }
    }
    for link in ["link", "d/source", "chain"] { #expect(kind(link) == S_IFLNK) }
    symlink("nothing", folder + "/dangling")
    for result in try await both("dangling") {
      #expect(result.status == 1 && result.errorText.contains("its target does not exist"))
    }
    #expect(kind("nothing") == nil && kind("dangling") == S_IFLNK)
    // A recursive copy replaces the link itself and does not follow it.
    mkdir(folder + "/tree", 0o755)
    sandbox.write("tree", to: folder + "/tree/source")
    #expect(try await sandbox.telpher("put", "-r", folder + "/tree/.", "d").status == 0)
    #expect(kind("d/source") == S_IFREG)
    #expect(try await sandbox.text(of: folder + "/far/file") == "new")
  }

  @Test func aLinkThatLeavesTheRootIsNotFollowed() async throws {
    let root = sandbox.folder + "/root"
    mkdir(root, 0o755)
    mkdir(root + "/in", 0o755)
    sandbox.write("old", to: sandbox.folder + "/secret")
    sandbox.write("old", to: root + "/in/file")
    symlink("../secret", root + "/out")
    symlink(sandbox.folder + "/secret", root + "/absolute")
    symlink("in/file", root + "/inside")
    let (server, _) = try await sandbox.serve("--root", root)
    for (path, status) in [("out", 1), ("absolute", 1), ("inside", 0)] {
      let result = try await sandbox.telpher("put", sandbox.folder + "/source", path)
      #expect(result.status == Int32(status), "\(path) \(result.errorText)")
    }
    #expect(try await sandbox.text(of: sandbox.folder + "/secret") == "old")
    #expect(try await sandbox.text(of: root + "/in/file") == "new")
    server.signal(SIGTERM)
    _ = await server.finish()
  }

  @Test func twoSourcesForOneDestinationAreRefusedBeforeCopying() async throws {
    let folder = sandbox.folder
    _ = try await sandbox.shell("cd && mkdir s1 s2 to && echo 1 >s1/f && echo 2 >s2/f && echo g >g")
    for arguments in [
      ["put", "\(folder)/g", "\(folder)/s1/f", "\(folder)/s2/f", "to"],
      ["put", "-r", "\(folder)/s1/.", "\(folder)/s2/.", "to"],
      ["put", "-r", "\(folder)/s1/.", "\(folder)/s2/f", "to"],
      ["get", "g", "s1/f", "s2/f", "\(folder)/to"],
      ["get", "-r", "s1/.", "s2/f", "\(folder)/to"],
    ] {
      let result = await (try sandbox.start(arguments)).finish()
      #expect(result.status == 1, "\(arguments)")
      #expect(result.errorText.contains("would both be"), "\(result.errorText)")
    }
    #expect(try await sandbox.telpher("ls", "to").text.isEmpty)
    #expect(
      try await sandbox.telpher("put", "-r", "\(folder)/s1/.", "\(folder)/g", "to").status == 0)
    #expect(try await sandbox.telpher("ls", "to").text == "f\ng\n")
  }

  @Test(arguments: [false, true]) func copyingAFolderIntoItselfIsRefused(_ served: Bool)
    async throws
  {
    let root = sandbox.folder + "/root"
    _ = try await sandbox.shell("cd && mkdir -p root/big/sub root/other && echo 1 >root/big/f")
    symlink("big/sub", root + "/link")
    var server: Child?
    if served { (server, _) = try await sandbox.serve("--root", root) }
    let prefix = served ? "" : "root/"
    let into = ["big/sub", "big", "big/new", "link", "link/new"]
    for destination in into {
      let put = try await sandbox.telpher("put", "-r", root + "/big", prefix + destination)
      #expect(put.status == 1 && put.errorText.contains("into itself"), "\(put.errorText)")
      let get = try await sandbox.telpher("get", "-r", prefix + "big", root + "/" + destination)
      #expect(get.status == 1 && get.errorText.contains("into itself"), "\(get.errorText)")
    }
    #expect(try await sandbox.shell("find \"$HOME/root\" | wc -l").text.contains("6"))
    #expect(try await sandbox.telpher("put", "-r", root + "/big", prefix + "copy").status == 0)
    #expect(try await sandbox.telpher("get", "-r", prefix + "big", root + "/other").status == 0)
    #expect(try await sandbox.text(of: root + "/other/big/f") == "1\n")
    server?.signal(SIGTERM)
    _ = await server?.finish()
  }

  @Test func theUmaskAppliesToModes() async throws {
    let folder = sandbox.folder
    _ = try await sandbox.shell(
      """
      cd && mkdir -m 777 t && echo x >t/f && chmod 777 t/f && umask 027
      telpher put --quiet -r t put && telpher get --quiet -r t "$HOME/got"
      telpher put --quiet t/f one
      """)
    for path in ["put", "put/f", "got", "got/f", "one"] {
      #expect(mode(of: folder + "/" + path) == 0o750, "\(path)")
    }
  }
}
