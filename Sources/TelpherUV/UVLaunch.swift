internal import CLibUV
internal import Glibc
internal import TelpherProcess
internal import TelpherTransport

/// Starts one child process. It keeps itself alive until it has called its completion.
final class UVLaunch {
  private let loop: UVLoop
  private let request: SpawnRequest
  private let completion: (Result<any ChildProcess, SpawnError>) -> Void
  private let work = UnsafeMutablePointer<uv_work_t>.allocate(capacity: 1)
  /// The result. The worker thread writes it before libuv hands the work back; the loop's thread
  /// reads it after that.
  private var result: Result<LaunchedProcess, SpawnError>?

  init(
    loop: UVLoop, request: SpawnRequest,
    _ completion: @escaping (Result<any ChildProcess, SpawnError>) -> Void
  ) {
    self.loop = loop
    self.request = request
    self.completion = completion
  }

  deinit {
    work.deallocate()
  }

  /// Starts the launch. The completion is called later, never before this returns.
  func start() {
    guard !loop.isClosing, loop.launcher != nil else {
      let reason = loop.isClosing ? "the loop was shut down" : "the loop has no launcher"
      result = .failure(SpawnError(stage: .resources, errno: ECANCELED, message: reason))
      return loop.callLater { [self] in finish() }
    }
    switch loop.launchMethod {
    case .uvSpawn:
      loop.callLater { [self] in
        spawn()
        finish()
      }
    case .workerThreads:
      work.pointee.data = Unmanaged.passRetained(self).toOpaque()
      let status = uv_queue_work(loop.raw, work, workerLaunches, workerHasLaunched)
      precondition(status == 0, "uv_queue_work has no way to fail")
    }
  }

  /// Launches the child. Blocks the calling thread until the child has executed its program.
  fileprivate func launch() {
    guard let launcher = loop.launcher else { preconditionFailure("`start` checks for a launcher") }
    do throws(SpawnError) {
      result = .success(try launcher.launch(request))
    } catch {
      result = .failure(error)
    }
  }

  private func spawn() {
    guard let launcher = loop.launcher else { preconditionFailure("`start` checks for a launcher") }
    // The loop may have begun to shut down since `start`.
    guard !loop.isClosing else {
      result = .failure(
        SpawnError(stage: .resources, errno: ECANCELED, message: "the loop was shut down"))
      return
    }
    do throws(SpawnError) {
      result = .success(try UVSpawn.start(request, by: launcher, on: loop))
    } catch {
      result = .failure(error)
    }
  }

  fileprivate func finish() {
    switch result {
    case .success(let launched): finish(launched)
    case .failure(let error): completion(.failure(error))
    case nil: preconditionFailure("`finish` comes after `launch`")
    }
  }

  private func finish(_ launched: LaunchedProcess) {
    if let child = UVProcess(loop: loop, launched: launched) {
      completion(.success(child))
    } else {
      let reason = loop.isClosing ? "the loop was shut down" : "the child's pipes can't be watched"
      completion(
        .failure(SpawnError(stage: .resources, errno: ECANCELED, message: reason)))
    }
  }
}

private func workerLaunches(_ work: UnsafeMutablePointer<uv_work_t>?) {
  Unmanaged<UVLaunch>.fromOpaque(work!.pointee.data!).takeUnretainedValue().launch()
}

private func workerHasLaunched(_ work: UnsafeMutablePointer<uv_work_t>?, _: Int32) {
  Unmanaged<UVLaunch>.fromOpaque(work!.pointee.data!).takeRetainedValue().finish()
}
