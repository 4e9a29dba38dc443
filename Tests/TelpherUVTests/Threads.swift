import CLibUV

/// A thread that does not belong to a loop.
final class OtherThread {
  private var thread = uv_thread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    let data = Unmanaged.passRetained(Box(body)).toOpaque()
    uv_thread_create(
      &thread,
      { data in
        Unmanaged<Box<@Sendable () -> Void>>.fromOpaque(data!).takeRetainedValue().value()
      }, data)
  }

  func join() {
    uv_thread_join(&thread)
  }
}
