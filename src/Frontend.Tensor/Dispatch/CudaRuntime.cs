namespace Picograd.Dispatch;

internal static class CudaRuntime
{
    public static DeviceRuntime Of(int index) =>
        throw new InvalidOperationException($"There is no device cuda:{index}.");
}
