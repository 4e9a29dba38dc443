import Glibc
import Testing

struct FolderCommandTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func foldersAreMadeListedRenamedAndRemoved() async throws {
    #expect(try await sandbox.telpher("mkdir", "-p", "a/b", "a/c").status == 0)
    #expect(try await sandbox.telpher("mkdir", "-p", "a/b").status == 0)
    let twice = try await sandbox.telpher("mkdir", "a/b", "a/d")
    #expect(twice.status == 1 && twice.errorText.contains("'a/b'"))
    sandbox.write("12345", to: sandbox.folder + "/a/file")
    symlink("file", sandbox.folder + "/a/link")
    #expect(try await sandbox.telpher("ls", "a").text == "b/\nc/\nd/\nfile\nlink\n")
    #expect(try await sandbox.telpher("mv", "a/file", "a/b/moved").status == 0)
    #expect(try await sandbox.telpher("ls", "-R", "a").text == "b/\nb/moved\nc/\nd/\nlink\n")
    let full = try await sandbox.telpher("rm", "a/b")
    #expect(full.status == 1 && full.errorText.contains("'a/b'"))
    #expect(try await sandbox.telpher("rm", "a/c", "a/link").status == 0)
    #expect(try await sandbox.telpher("rm", "-r", "a").status == 0)
    #expect(try await sandbox.telpher("ls").text == "bin/\nrun/\n")
  }

  @Test func mvDoesNotReplaceAFIFO() async throws {
    let result = try await sandbox.shell(
      "cd \"$HOME\"; echo x >one; mkfifo pipe; telpher mv one pipe; echo $?; test -p pipe && cat one"
    )
    #expect(result.text == "1\nx\n")
    #expect(result.errorText.contains("cannot replace 'pipe': it is a FIFO"))
  }

  @Test func mvWithNoClobberReplacesNothing() async throws {
    for name in ["one", "two"] { sandbox.write(name, to: sandbox.folder + "/" + name) }
    #expect(try await sandbox.telpher("mv", "--no-clobber", "one", "two").status == 1)
    #expect(try await sandbox.text(of: sandbox.folder + "/two") == "two")
    #expect(try await sandbox.telpher("mv", "one", "two").status == 0)
    #expect(try await sandbox.text(of: sandbox.folder + "/two") == "one")
  }

  @Test func lsShowsHiddenNamesAndDetailsOnRequest() async throws {
    let folder = sandbox.folder + "/d"
    mkdir(folder, 0o755)
    sandbox.write("12345", to: folder + "/.hidden")
    symlink("to", folder + "/link")
    #expect(try await sandbox.telpher("ls", "d").text == "link\n")
    #expect(try await sandbox.telpher("ls", "-a", "d").text == ".hidden\nlink\n")
    let long = try await sandbox.telpher("ls", "-la", "d").text.split(separator: "\n")
    #expect(long.count == 2)
    #expect(long[0].hasPrefix("-rw-------  5  20") && long[0].hasSuffix("  .hidden"))
    #expect(long[1].hasPrefix("lrwxrwxrwx  -  20") && long[1].hasSuffix("  link -> to"))
    let json = try await sandbox.telpher("ls", "--json", "d").text.split(separator: "\n")
    #expect(json.count == 2 && json[0].contains(#""path":"d/.hidden""#))
    #expect(json[0].contains(#""size":5"#) && json[1].contains(#""link":"to""#))
  }

  @Test func namesOfAnyBytesAreListedUnchanged() async throws {
    _ = try await sandbox.shell("mkdir \"$HOME/d\"; : >\"$(printf \"$HOME/d/n\\377\")\"")
    #expect(try await sandbox.telpher("ls", "d").output == [0x6E, 0xFF, 0x0A])
  }

  @Test func statPrintsAllProperties() async throws {
    sandbox.write("12345", to: sandbox.folder + "/file")
    symlink("file", sandbox.folder + "/link")
    let file = try await sandbox.telpher("stat", "file")
    #expect(file.text.hasPrefix("path: file\nkind: file\nsize: 5\nmode: 0600 (-rw-------)\n"))
    #expect(try await sandbox.telpher("stat", "link").text.contains("kind: symlink"))
    let json = try await sandbox.telpher("stat", "-L", "--json", "link")
    #expect(json.text.contains(#""kind":"file""#) && json.text.contains(#""size":5"#))
    let missing = try await sandbox.telpher("stat", "no", "file")
    #expect(missing.status == 1)
    #expect(missing.text == file.text)
    #expect(
      missing.errorText == "telpher: cannot read the status of 'no': No such file or directory\n")
  }

  /// Runs as another user, because root may remove everything.
  @Test func rmContinuesAfterAFailure() async throws {
    let result = try await sandbox.shell(
      """
      cd && mkdir -p t/a t/b/s t/c && touch t/a/1 t/b/2 t/b/3 t/c/4 t/b/s/5 && chmod 555 t/b || exit 9
      [ "$(id -u)" = 0 ] || exec telpher rm -r t
      chown -R 65534:65534 "$HOME"
      exec setpriv --reuid 65534 --regid 65534 --clear-groups telpher rm -r t
      """)
    #expect(result.status == 1)
    let lines = result.errorText.split(separator: "\n")
    #expect(lines.count == 3 && lines[0].contains("'t/b/2'") && lines[2].contains("'t/b/s'"))
    #expect(
      try await sandbox.shell("cd && chmod 755 t/b && find t | sort").text
        == "t\nt/b\nt/b/2\nt/b/3\nt/b/s\n")
  }
}
