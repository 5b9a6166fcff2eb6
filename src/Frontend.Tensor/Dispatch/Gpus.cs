using System.Reflection;

namespace Picograd.Dispatch;

/// <summary>What an assembly for GPUs offers the tensor library.</summary>
internal interface IGpus
{
    /// <summary>The runtime of a GPU by number.</summary>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    DeviceRuntime Of(int index);

    /// <summary>Forgets the kernels of all GPUs, so that records tuned meanwhile are found.</summary>
    void Refresh();
}

/// <summary>
/// The GPUs of this process. Their back end is a package of its own, which programs for the CPU need not carry, so it is loaded
/// by name when a tensor is first wanted on a GPU.
/// </summary>
internal static class Gpus
{
    private const string AssemblyName = "Picograd.Frontend.Cuda";
    private const string TypeName = "Picograd.Dispatch.CudaGpus";

    private static readonly Lock Gate = new();
    private static IGpus? s_loaded;

    /// <inheritdoc cref="IGpus.Of"/>
    public static DeviceRuntime Of(int index) => (Volatile.Read(ref s_loaded) ?? Load(index)).Of(index);

    /// <inheritdoc cref="IGpus.Refresh"/>
    public static void Refresh() => Volatile.Read(ref s_loaded)?.Refresh();

    private static IGpus Load(int index)
    {
        lock (Gate)
        {
            if (s_loaded is { } now)
                return now;
            Assembly assembly;
            try
            {
                assembly = Assembly.Load(AssemblyName);
            }
            catch (FileNotFoundException e)
            {
                throw new InvalidOperationException(
                    $"cuda:{index} cannot be used: this program has no back end for GPUs; add the package Picograd.Cuda to it "
                        + "(dotnet add package Picograd.Cuda).",
                    e
                );
            }
            var loaded = (IGpus)Activator.CreateInstance(assembly.GetType(TypeName, throwOnError: true)!)!;
            Volatile.Write(ref s_loaded, loaded);
            return loaded;
        }
    }
}
