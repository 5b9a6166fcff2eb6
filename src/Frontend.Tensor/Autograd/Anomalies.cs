using System.Diagnostics;
using System.Text;

namespace Picograd.Gradients;

/// <summary>Anomaly detection of this thread: nodes remember where they were recorded, gradients are looked at.</summary>
internal static class Anomalies
{
    [ThreadStatic]
    private static int t_on;

    [ThreadStatic]
    private static bool t_looking;

    private static int s_on;

    /// <summary>Whether this thread looks for them. Where no thread does, one static field is asked.</summary>
    public static bool IsOn => s_on != 0 && t_on != 0;

    [field: ThreadStatic]
    public static bool ChecksNan { get; set; }

    /// <summary>On (1), off (−1) or as it is.</summary>
    public static void Change(int by)
    {
        t_on += by;
        Interlocked.Add(ref s_on, by);
        Recording.Watch(by);
    }

    /// <summary>Where the library was called from.</summary>
    public static StackTrace Caller()
    {
        var all = new StackTrace(fNeedFileInfo: true).GetFrames();
        int first = Array.FindIndex(all, f => f.GetMethod()?.DeclaringType?.Assembly != typeof(Anomalies).Assembly);
        return new StackTrace(first < 0 ? all : all[first..]);
    }

    /// <summary>A gradient that a node sends to one of its inputs.</summary>
    /// <exception cref="AnomalyException">It has a NaN.</exception>
    public static void Check(Node node, int input, Tensor grad)
    {
        if (!ChecksNan || t_looking || grad.Device.IsMeta)
            return;
        t_looking = true;
        bool recording = GradMode.Enabled;
        GradMode.Enabled = false;
        bool isNan;
        try
        {
            isNan = grad.IsNan().Any().Item() != 0;
        }
        finally
        {
            GradMode.Enabled = recording;
            t_looking = false;
        }
        if (isNan)
            throw new AnomalyException(
                Told($"Function '{GradFn.NameOf(node)}' returned nan values in its {input}th output.", node)
            );
    }

    /// <summary>An error of a node, with where its operator was called.</summary>
    public static AnomalyException Explain(Node node, Exception error) =>
        new(Told($"Function '{GradFn.NameOf(node)}' failed in backward: {error.Message}", node), error);

    private static string Told(string what, Node node)
    {
        var text = new StringBuilder(what);
        if (node.Extras?.Caller is { } caller)
            text.Append(" Traceback of the forward call that caused the error:\n").Append(caller);
        else
            text.Append(
                " No forward pass information is available; open Autograd.DetectAnomaly() around the forward pass, too."
            );
        return text.ToString().TrimEnd();
    }
}
