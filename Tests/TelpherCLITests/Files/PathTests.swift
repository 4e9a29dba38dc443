import Glibc
import Testing

/// What paths on the command line mean to a server without --root.
struct PathTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func relativePathsStartAtHomeAndAbsoluteOnesAtSlash() async throws {
    let home = sandbox.folder
    _ = try await sandbox.shell("mkdir -p \"$HOME/d\" \"$HOME/~odd\"; echo text >\"$HOME/d/f\"")
    symlink(home + "/d", home + "/absolute")
    for path in ["d/f", "~/d/f", "\(home)/d/f", "absolute/f", "~//d/./f", "/\(home)/d/f"] {
      #expect(try await sandbox.got(path) == "text\n", "\(path)")
    }
    #expect(try await sandbox.telpher("ls", home + "/d").text == "f\n")
    #expect(try await sandbox.telpher("ls", "--json", home + "/d").text.contains("\(home)/d/f"))
    #expect(try await sandbox.telpher("stat", home + "/d/f").text.hasPrefix("path: \(home)/d/f\n"))
    #expect(try await sandbox.telpher("ls", "./~odd").status == 0)
    let refused = try await sandbox.telpher("ls", "~odd")
    #expect(refused.status == 64)
    #expect(refused.errorText.contains("another user's") && refused.errorText.contains("'./~odd'"))
    #expect(try await sandbox.telpher("put", home + "/d/f", home + "/put").status == 0)
    #expect(try await sandbox.text(of: home + "/put") == "text\n")
    #expect(try await sandbox.telpher("mv", home + "/put", "moved").status == 0)
    #expect(try await sandbox.telpher("mkdir", "-p", home + "/m/n").status == 0)
    #expect(try await sandbox.telpher("rm", "-r", "~/m", home + "/moved").status == 0)
    #expect(mode(of: home + "/m") == nil && mode(of: home + "/moved") == nil)
    let missing = try await sandbox.telpher("get", home + "/none", home + "/x")
    #expect(
      missing.errorText
        == "telpher: cannot read the status of '\(home)/none': No such file or directory\n")
  }

  @Test func pathsMayHaveBytesThatAreNotUTF8() async throws {
    _ = try await sandbox.shell(
      """
      n=$(printf 'n\\377\\376'); cd "$HOME" && mkdir "d$n" && echo bytes >"d$n/$n" || exit 1
      telpher put --quiet "d$n/$n" "put$n" && telpher get --quiet "put$n" "got$n" || exit 2
      telpher mkdir "m$n" && telpher mv "got$n" "m$n/$n" && telpher stat --json "m$n/$n" >stat
      telpher ls "m$n" >list && telpher put --quiet -r "d$n" "m$n" && telpher rm "put$n" || exit 3
      cat "m$n/$n" "m$n/d$n/$n" >both; test ! -e "put$n"; echo $? >status
      """)
    #expect(try await sandbox.text(of: sandbox.folder + "/both") == "bytes\nbytes\n")
    #expect(try await sandbox.text(of: sandbox.folder + "/status") == "0\n")
    #expect(try await sandbox.text(of: sandbox.folder + "/stat")?.contains("base64") == true)
    #expect(try await sandbox.shell("cat \"$HOME/list\"").output == [0x6E, 0xFF, 0xFE, 0x0A])
  }

  @Test func aPathWithAColonBeforeAnySlashNeedsADot() async throws {
    sandbox.write("x", to: sandbox.folder + "/a:b")
    #expect(try await sandbox.got("./a:b") == "x")
    #expect(try await sandbox.telpher("mv", "./a:b", "d/../a").status == 1)
    #expect(try await sandbox.telpher("rm", "./a:b").status == 0)
  }

  @Test func missingFoldersAreReportedOrMadeWithParents() async throws {
    let source = sandbox.folder + "/source"
    sandbox.write("x", to: source)
    let refused = try await sandbox.telpher("put", source, "a/b/c")
    #expect(
      refused.errorText
        == "telpher: cannot store 'a/b/c': the folder 'a/b' is not on the server; --parents makes it\n"
    )
    #expect(refused.status == 1 && mode(of: sandbox.folder + "/a") == nil)
    #expect(try await sandbox.telpher("put", "--parents", source, "a/b/c").status == 0)
    #expect(
      try await sandbox.telpher("put", "--parents", source, source + "2/../x", "d/e").status == 1)
    #expect(try await sandbox.telpher("put", "--parents", source, "f/g/").status == 0)
    #expect(try await sandbox.text(of: sandbox.folder + "/f/g/source") == "x")
    let local = sandbox.folder + "/local"
    let here = try await sandbox.telpher("get", "a/b/c", local + "/p/q")
    #expect(
      here.status == 1
        && here.errorText.hasSuffix("'\(local)/p' does not exist; --parents makes it\n"))
    #expect(try await sandbox.telpher("get", "--parents", "a/b/c", local + "/p/q").status == 0)
    #expect(try await sandbox.text(of: local + "/p/q") == "x")
  }

  @Test func aFileWithATrailingSlashIsRefused() async throws {
    sandbox.write("x", to: sandbox.folder + "/f")
    symlink("bin", sandbox.folder + "/link")
    for arguments in [
      ["rm", "f/"], ["rm", "-r", "f/"], ["stat", "f/"], ["ls", "f/"], ["mv", "f/", "g"],
      ["mv", "f", "g/"], ["get", "f/", "."], ["get", "f/.", "."], ["rm", "-r", "link/"],
      ["put", "/etc/hostname", "f/"],
    ] {
      #expect(await (try sandbox.start(arguments)).finish().status == 1, "\(arguments)")
    }
    #expect(try await sandbox.text(of: sandbox.folder + "/f") == "x")
    #expect(try await sandbox.telpher("stat", "link/").text.contains("kind: directory"))
    #expect(mode(of: sandbox.folder + "/bin") != nil)
  }
}
