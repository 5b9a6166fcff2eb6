namespace Picograd.Dispatch;

/// <summary>NVIDIA GPUs, as the tensor library finds them: see <see cref="Gpus"/>.</summary>
internal sealed class CudaGpus : IGpus
{
    public DeviceRuntime Of(int index) => CudaRuntime.Of(index);

    public void Refresh() => CudaRuntime.RefreshAll();
}
