import { select } from "d3-selection";
import "d3-transition";
import { type ZoomBehavior, type ZoomTransform, zoom, zoomIdentity } from "d3-zoom";
import { type RefObject, useCallback, useEffect, useRef } from "react";

const still = window.matchMedia("(prefers-reduced-motion: reduce)");

export interface Zooming {
  transform: RefObject<ZoomTransform>;
  by: (factor: number) => void;
  pan: (x: number, y: number) => void;
  /** Puts a point of the unzoomed canvas into the middle. */
  to: (x: number, y: number, k: number) => void;
  reset: () => void;
}

/** Panning and zooming of a canvas by pointer, wheel and fingers, and by calls. */
export function useZoom(
  canvas: RefObject<HTMLCanvasElement | null>,
  moved: () => void,
  ended: () => void,
): Zooming {
  const transform = useRef<ZoomTransform>(zoomIdentity);
  const behaviour = useRef<ZoomBehavior<HTMLCanvasElement, unknown> | null>(null);
  const heard = useRef({ moved, ended });
  heard.current = { moved, ended };

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const made = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent([0.7, 80])
      .on("zoom", (event: { transform: ZoomTransform }) => {
        transform.current = event.transform;
        heard.current.moved();
      })
      .on("end", () => heard.current.ended());
    behaviour.current = made;
    const selection = select(element);
    selection.call(made).on("dblclick.zoom", null);
    return () => {
      selection.on(".zoom", null);
    };
  }, [canvas]);

  const call = useCallback(
    (
      act: (on: {
        selection: ReturnType<typeof smooth>;
        zoom: ZoomBehavior<HTMLCanvasElement, unknown>;
      }) => void,
      milliseconds: number,
    ) => {
      if (canvas.current && behaviour.current)
        act({ selection: smooth(canvas.current, milliseconds), zoom: behaviour.current });
    },
    [canvas],
  );
  const by = useCallback(
    (factor: number) => call((on) => on.zoom.scaleBy(on.selection, factor), 180),
    [call],
  );
  const pan = useCallback(
    (x: number, y: number) =>
      call((on) => on.zoom.translateBy(on.selection, x / transform.current.k, y / transform.current.k), 120),
    [call],
  );
  const to = useCallback(
    (x: number, y: number, k: number) => {
      const element = canvas.current;
      if (!element) return;
      const middle = zoomIdentity
        .translate(element.clientWidth / 2, element.clientHeight / 2)
        .scale(k)
        .translate(-x, -y);
      call((on) => on.zoom.transform(on.selection, middle), 600);
    },
    [call, canvas],
  );
  const reset = useCallback(() => call((on) => on.zoom.transform(on.selection, zoomIdentity), 400), [call]);
  return { transform, by, pan, to, reset };
}

/** A transition, of no length for those who want nothing to move. */
function smooth(element: HTMLCanvasElement, milliseconds: number) {
  return select(element)
    .transition()
    .duration(still.matches ? 0 : milliseconds);
}
