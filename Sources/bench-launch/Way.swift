internal import CTelpherBenchLaunch
internal import Glibc
internal import TelpherSystem
internal import TelpherTransport

/// A child that runs, and how to get its status.
struct Running {
  var sources: [Int32]
  var wait: () -> Void
}

/// One way to start a process.
struct Way {
  var name: String
  /// Whether libuv's worker threads start it, and not the loop's.
  var onWorkers = false
  /// From any thread where `onWorkers`.
  var start: () -> Running
}

/// All ways, posix_spawn first.
func makeWays() -> [Way] {
  let null = open("/dev/null", O_RDWR | O_CLOEXEC)
  var ways = [
    Way(name: "posix_spawn") {
      var child = bench_child()
      bench_posix_spawn(&child, null)
      return Running(sources: [child.output, child.error, child.pid_descriptor]) {
        bench_posix_wait(&child)
      }
    },
    Way(name: "uv_spawn") {
      var child = bench_child()
      bench_uv_spawn(&child, null)
      return Running(sources: [child.output, child.error, child.pid_descriptor]) {
        bench_uv_wait(&child)
      }
    },
  ]
  func add(
    _ name: String, _ scope: Launcher.Scope, tracksTree: Bool = true, onWorkers: Bool = false,
    _ options: Launcher.Options = .init()
  ) {
    guard let launcher = try? Launcher(scope: scope, options: options) else {
      print("\(name): can't be had here")
      return
    }
    let environment = ["PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C", "USER": "root"]
    let request = SpawnRequest(
      arguments: ["/bin/true"], environment: environment, tracksTree: tracksTree)
    ways.append(
      Way(name: name, onWorkers: onWorkers) {
        guard let process = try? launcher.launch(request) else { fatalError("launch failed") }
        return Running(sources: [process.output!, process.error!, process.pidDescriptor]) {
          _ = process.reap()
          process.release()
        }
      })
  }
  add("launch, no tracking", .descendants, tracksTree: false)
  add("launch, descendants", .descendants)
  add("launch, pooled cgroup", .cgroup)
  add("launch, mkdir and rmdir for each", .cgroup, .init(idleGroups: 0))
  add("launch, pooled, child writes cgroup.procs", .cgroup, .init(withoutClone3: true))
  add("launch, pooled cgroup, on workers", .cgroup, onWorkers: true)
  return ways
}
