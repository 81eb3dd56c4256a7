/* SnakeViz fetches two libraries and its data for its worker. Here the worker's text carries them, and where a
   page may not start a worker, the same text runs in the page. */
(function () {
  var template = document.getElementById('hierarchy-worker');
  var text = function (id) { return document.getElementById(id).textContent; };
  template.textContent = ['self.importScripts=function(){};', text('sv-lib-lodash'), text('sv-lib-immutable'),
    'var SV_DATA=' + text('sv-data') + '.stats;', template.textContent].join('\n;\n');
  var RealWorker = window.Worker, isBlocked = false;
  function InPage() {
    var me = this, scope = {importScripts: function () {}};
    scope.postMessage = function (data) {
      setTimeout(function () { if (me.onmessage) me.onmessage({data: data}); }, 0);
    };
    new Function('self', 'importScripts', template.textContent)(scope, scope.importScripts);
    this.postMessage = function (data) {
      setTimeout(function () {
        try { scope.onmessage({data: data}); } catch (error) { if (me.onerror) me.onerror(error); }
      }, 0);
    };
    this.terminate = function () {};
  }
  window.Worker = function (url) {
    if (isBlocked) return new InPage();
    var me = this, answered = false, waiting = [], inPage = null, real;
    try { real = new RealWorker(url); } catch (error) { isBlocked = true; return new InPage(); }
    real.onmessage = function (event) { answered = true; if (me.onmessage) me.onmessage(event); };
    real.onerror = function (event) {
      if (answered) { if (me.onerror) me.onerror(event); return; }
      isBlocked = true;
      inPage = new InPage();
      inPage.onmessage = function (event) { if (me.onmessage) me.onmessage(event); };
      inPage.onerror = function (error) { if (me.onerror) me.onerror(error); };
      waiting.forEach(function (data) { inPage.postMessage(data); });
    };
    this.postMessage = function (data) { waiting = [data]; (inPage || real).postMessage(data); };
    this.terminate = function () { real.terminate(); };
  };
})();
